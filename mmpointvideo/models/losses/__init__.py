"""Losses as plain modules over tensors."""
