"""Plugins: found by entry point, loaded apart, called within a deadline, their answers checked."""
