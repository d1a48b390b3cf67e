"""What the host and its plugins say to each other: quotes, records, hooks, and the documents they are read from."""
