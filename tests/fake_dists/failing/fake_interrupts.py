"""Raises, while it is imported, what only an operator raises."""

raise KeyboardInterrupt
