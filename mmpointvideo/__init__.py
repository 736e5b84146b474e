"""mmpointvideo: self-supervised and supervised learning on point cloud videos."""

from .version import __version__

__all__ = ['__version__']
