"""Durable execution behind a small interface; only ``durable`` names DBOS."""
