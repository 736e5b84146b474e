"""Which clips come when, and with which random numbers."""

from .default_sampler import DefaultSampler
from .sample_index import SampleIndex, sample_randomness

__all__ = ['DefaultSampler', 'SampleIndex', 'sample_randomness']
