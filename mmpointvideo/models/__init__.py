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

__all__ = [
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
