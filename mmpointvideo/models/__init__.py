"""Networks, heads, losses and the algorithms that wire them."""

from . import (
    encoders,
    heads,
    layers,
    losses,
    memories,
    necks,
    recognizers,
    segmentors,
    selfsup,
)
from .data_preprocessor import PointVideoDataPreprocessor
from .wrapper import SyncBNDistributedDataParallel

__all__ = [
    'PointVideoDataPreprocessor',
    'SyncBNDistributedDataParallel',
    'encoders',
    'heads',
    'layers',
    'losses',
    'memories',
    'necks',
    'recognizers',
    'segmentors',
    'selfsup',
]
