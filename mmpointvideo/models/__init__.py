"""Networks, heads, losses and the algorithms that wire them."""

from . import encoders, heads, layers, losses, memories, necks, recognizers, segmentors, selfsup
from .data_preprocessor import PointVideoDataPreprocessor
from .encoders import *  # noqa: F403
from .heads import *  # noqa: F403
from .layers import *  # noqa: F403
from .losses import *  # noqa: F403
from .memories import *  # noqa: F403
from .necks import *  # noqa: F403
from .recognizers import *  # noqa: F403
from .segmentors import *  # noqa: F403
from .selfsup import *  # noqa: F403
from .wrapper import SyncBNDistributedDataParallel

__all__ = ['PointVideoDataPreprocessor', 'SyncBNDistributedDataParallel']
__all__ += encoders.__all__
__all__ += heads.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += memories.__all__
__all__ += necks.__all__
__all__ += recognizers.__all__
__all__ += segmentors.__all__
__all__ += selfsup.__all__
