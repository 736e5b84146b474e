"""Action recognition over an encoder."""
