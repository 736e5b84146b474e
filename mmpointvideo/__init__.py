"""mmpointvideo: self-supervised and supervised learning on point cloud videos."""

from .checkpoints import safe_loading  # noqa: F401  (from here on checkpoints load as data only)
from .version import __version__

__all__ = ['__version__']
