"""The state of a quote, and the words by which it is found. Pure functions: they read no database."""
