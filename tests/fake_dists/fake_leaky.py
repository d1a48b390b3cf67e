"""Fails with a secret in its message."""

raise RuntimeError("cannot log in with sk_live_CanaryInAReason0001")
