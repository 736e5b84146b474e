"""Point operators and their backends."""
