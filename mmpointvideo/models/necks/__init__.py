"""What sits between encoder and head."""

from .autoregressor import CausalAutoregressor
from .pooling import ClipPooling
from .projector import MLPProjector

__all__ = ['CausalAutoregressor', 'ClipPooling', 'MLPProjector']
