"""Hooks."""

from .best_and_last_hook import BestAndLastHook
from .checkpoint_hook import CheckpointHook
from .memory_bank_hook import MemoryBankHook

__all__ = ['BestAndLastHook', 'CheckpointHook', 'MemoryBankHook']
