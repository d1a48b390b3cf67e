"""Reports for people, the same for CLI, API and console."""
