"""Networks from points to superpoint features."""

from .p4transformer import P4TransformerEncoder
from .pstnet import PSTNetEncoder

__all__ = ['P4TransformerEncoder', 'PSTNetEncoder']
