"""Runner-side parts: launch, loops, hooks, optimizers."""

from . import hooks
from .hooks import *  # noqa: F403
from .launch import finish_launch, prepare_launch
from .loops import EpochBasedTrainLoop

__all__ = [
    'EpochBasedTrainLoop',
    'finish_launch',
    'prepare_launch',
]
__all__ += hooks.__all__
