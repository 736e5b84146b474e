"""An index that brings its own random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class SampleIndex(int):
    """The number of a sample, and the seed of everything random about this draw of it.

    A sampler gives such indices to the data set, through worker processes too. Wrappers that
    compute with it (``ConcatDataset``, ``RepeatDataset``) keep the seed; where a wrapper looks up
    another index, :meth:`moved` does.

    Args:
        index: The number.
        seed: Integers of at least 0, such as the run's seed, the epoch and the index.
    """

    seed: tuple[int, ...]

    def __new__(cls, index: int, seed: tuple[int, ...]) -> SampleIndex:
        made = super().__new__(cls, index)
        made.seed = seed
        return made

    def moved(self, index: int) -> SampleIndex:
        """Another index with the same seed."""
        return SampleIndex(index, self.seed)

    def __mod__(self, other: int) -> SampleIndex:
        return self.moved(int(self) % other)

    def __sub__(self, other: int) -> SampleIndex:
        return self.moved(int(self) - other)

    def __reduce__(self) -> tuple:
        return SampleIndex, (int(self), self.seed)


@contextmanager
def sample_randomness(index: int) -> Iterator[None]:
    """Seed Python's, NumPy's and PyTorch's CPU generators for one sample; put them back after it.

    So what a transform draws depends on nothing but the sample's seed: not on worker processes,
    on the samples before it, or on where a run was interrupted. An index without a seed changes
    nothing.
    """
    seed = getattr(index, 'seed', None)
    if seed is None:
        yield
        return
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence(seed).generate_state(4)
    np.random.seed(words)
    first = int.from_bytes(words.tobytes()[:8], 'little')
    random.seed(first)
    torch.default_generator.manual_seed(first)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
