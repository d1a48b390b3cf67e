"""The migrations, one module each. They are applied in the order of their numbers."""
