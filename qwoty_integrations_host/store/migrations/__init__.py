"""The migrations of the database from earlier releases to this one. They delete no row."""
