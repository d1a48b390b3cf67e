"""Everything that the host remembers, by subject. SQL lives here and nowhere else."""
