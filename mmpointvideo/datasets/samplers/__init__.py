"""Which clips come when, and with which random numbers."""

from .default_sampler import DefaultSampler
from .grouped_sampler import GroupedSampler
from .sample_index import SampleIndex, sample_randomness

__all__ = ['DefaultSampler', 'GroupedSampler', 'SampleIndex', 'sample_randomness']
