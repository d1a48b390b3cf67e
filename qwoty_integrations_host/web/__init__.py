"""The HTTP server: thin views over the host's functions."""
