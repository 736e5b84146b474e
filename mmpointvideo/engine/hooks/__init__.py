"""Hooks."""

from .best_and_last_hook import BestAndLastHook
from .calibrate_batch_norm_hook import CalibrateBatchNormHook, calibrate_batch_norm
from .checkpoint_hook import CheckpointHook
from .memory_bank_hook import MemoryBankHook
from .non_finite_guard_hook import NonFiniteGuardHook
from .rank_monitor_hook import RankMonitorHook
from .sync_buffers_hook import SyncBuffersHook
from .termination_hook import TerminationHook
from .visualization_hook import VisualizationHook

__all__ = [
    'BestAndLastHook',
    'CalibrateBatchNormHook',
    'CheckpointHook',
    'MemoryBankHook',
    'NonFiniteGuardHook',
    'RankMonitorHook',
    'SyncBuffersHook',
    'TerminationHook',
    'VisualizationHook',
    'calibrate_batch_norm',
]
