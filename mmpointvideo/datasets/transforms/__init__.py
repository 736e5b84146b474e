"""From an index entry to a packed clip."""
