"""Stripe Invoice: an accepted quote becomes a Stripe invoice whose total equals the quote's to the cent."""
