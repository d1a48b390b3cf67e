"""The contract between the host and its plugins: hooks, quotes, records, and the documents of quotes and settings."""
