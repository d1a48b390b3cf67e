"""One at a time, and not too fast: locks, rate limits, and telling other processes of work."""
