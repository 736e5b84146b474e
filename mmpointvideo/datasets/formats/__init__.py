"""Readers of raw and published file formats."""
