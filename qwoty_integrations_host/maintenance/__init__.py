"""What the host does by itself: upkeep, pruning, the change of keys."""
