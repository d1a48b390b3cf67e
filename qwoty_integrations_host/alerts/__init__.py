"""Alerts: tell a workspace's recipients, by mail and by webhook, what needs a person."""
