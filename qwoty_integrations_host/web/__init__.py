"""The HTTP side: thin views over the host's functions."""
