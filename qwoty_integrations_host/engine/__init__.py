"""Durable execution behind a small interface. Only ``durable`` imports DBOS."""
