"""What a workspace sets: its integrations, its platform, its API keys; and whether its connections work."""
