"""Tiny clips and tiny data sets for tests, ours and the users' own."""

from .clips import tiny_batch, tiny_clip
from .configs import shrink_config
from .datasets import write_tiny_dataset
from .ntu import write_ntu_raw
from .scenes import write_tiny_scenes

__all__ = [
    'shrink_config',
    'tiny_batch',
    'tiny_clip',
    'write_ntu_raw',
    'write_tiny_dataset',
    'write_tiny_scenes',
]
