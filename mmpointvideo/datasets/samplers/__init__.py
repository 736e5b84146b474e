"""Which clips come when, and with which random numbers."""

from .default_sampler import DefaultSampler
from .grouped_sampler import GroupedSampler

__all__ = ['DefaultSampler', 'GroupedSampler']
