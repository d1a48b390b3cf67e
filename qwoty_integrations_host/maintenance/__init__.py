"""Scheduled maintenance: upkeep of webhook endpoints, pruning, key rotation."""
