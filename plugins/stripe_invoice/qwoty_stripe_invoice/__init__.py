"""Stripe Invoice: an accepted quote becomes a Stripe invoice with the same total, to the cent."""
