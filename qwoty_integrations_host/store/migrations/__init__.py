"""How the tables of an earlier release become those of this one, without losing a row."""
