"""Requests to addresses that others supply, and the meaning of their errors."""
