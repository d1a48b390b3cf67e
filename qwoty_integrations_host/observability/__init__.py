"""What is logged, for whom, how much of it, and without secrets."""
