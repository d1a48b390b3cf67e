"""What people are shown of quotes and runs, the same for CLI, API and console."""
