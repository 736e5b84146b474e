"""Tiny clips and tiny data sets for tests, ours and the users' own."""

from .clips import tiny_batch, tiny_clip
from .datasets import write_tiny_dataset

__all__ = ['tiny_batch', 'tiny_clip', 'write_tiny_dataset']
