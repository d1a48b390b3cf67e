"""Durable execution behind a small interface. Only this package uses DBOS."""
