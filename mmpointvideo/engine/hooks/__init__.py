"""Hooks."""

from .best_and_last_hook import BestAndLastHook
from .calibrate_batch_norm_hook import CalibrateBatchNormHook, calibrate_batch_norm
from .checkpoint_hook import CheckpointHook
from .memory_bank_hook import MemoryBankHook

__all__ = [
    'BestAndLastHook',
    'CalibrateBatchNormHook',
    'CheckpointHook',
    'MemoryBankHook',
    'calibrate_batch_norm',
]
