"""Platforms: where quotes come from, and where external ids are saved."""
