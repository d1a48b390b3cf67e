"""Where a quote stands, and by which words it is found. Pure: nothing is looked up."""
