"""Runs: what starts a run, how it is executed step by step, and how it ends."""
