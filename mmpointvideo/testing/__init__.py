"""Tiny clips and tiny configs for tests, ours and the users own."""
