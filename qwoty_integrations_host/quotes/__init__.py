"""The state of a quote, and the words by which a search finds it. Pure functions: they read no database.

Nothing is started here. ``runs`` accepts quotes and starts runs.
"""
