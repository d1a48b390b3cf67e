"""Logs: their form, their limits, the actor, and the removal of secrets."""
