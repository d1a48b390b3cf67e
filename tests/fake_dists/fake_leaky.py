"""Fails with a secret in its message."""

raise RuntimeError("cannot log in with sk_test_CanaryInAReason0001")
