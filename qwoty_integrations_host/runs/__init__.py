"""Runs: what starts one, how it is worked step by step, and how it ends."""
