"""Heads; each owns its loss."""
