"""Everything that the host stores, one module per subject. Only this package contains SQL."""
