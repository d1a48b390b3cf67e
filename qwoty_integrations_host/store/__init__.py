"""Everything that the host stores: the tables, and the queries of them, one module per subject."""
