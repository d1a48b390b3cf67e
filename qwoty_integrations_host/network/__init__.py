"""Requests to addresses that others gave us, and what became of those that failed."""
