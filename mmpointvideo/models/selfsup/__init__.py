"""Self-supervised algorithms."""

from .pointcpsc import PointCPSC

__all__ = ['PointCPSC']
