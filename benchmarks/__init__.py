"""How fast the host is, measured side by side; ``make bench`` writes docs/performance.md."""
