"""A workspace's settings, platform, API keys and time zone, and the state of its connections."""
