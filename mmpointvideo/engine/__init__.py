"""Runner-side parts: checkpoints, launch, loops, hooks, optimizers."""

from . import hooks
from .checkpoint import LoadReport, load_encoder_weights, require_all_weights
from .hooks import *  # noqa: F403
from .launch import finish_launch, prepare_launch
from .loops import EpochBasedTrainLoop

__all__ = [
    'EpochBasedTrainLoop',
    'LoadReport',
    'finish_launch',
    'load_encoder_weights',
    'prepare_launch',
    'require_all_weights',
]
__all__ += hooks.__all__
