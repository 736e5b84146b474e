"""Networks from points to superpoint features."""

from .pstnet import PSTNetEncoder

__all__ = ['PSTNetEncoder']
