"""MMEngine's default sampler, with seeds for every sample and a position in the epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import torch
from mmengine.dataset import DefaultSampler as BaseDefaultSampler

from mmpointvideo.registry import DATA_SAMPLERS

from ..sample_index import SampleIndex


@DATA_SAMPLERS.register_module()
class DefaultSampler(BaseDefaultSampler):
    """MMEngine's ``DefaultSampler``, for runs that are to be repeated and resumed exactly.

    The order of an epoch depends on ``(seed, epoch)`` alone and every index carries the seed
    ``(seed, epoch, index)`` for the sample's augmentation, so a position in the epoch is all that
    a resumed run needs: nothing is replayed. The train loop (``EpochBasedTrainLoop``) stores the
    position and says how batches are made; then the processes' batches together are the batch of
    one process, in its order.

    Args:
        dataset: The data set.
        shuffle: Another order in each epoch.
        seed: The same on all processes; by default drawn.
        round_up: Repeat samples until every process has equally many.

    Raises:
        ValueError: If the data set is empty.
    """

    def __init__(
        self, dataset: Sized, shuffle: bool = True, seed: int | None = None, round_up: bool = True
    ) -> None:
        if len(dataset) == 0:
            raise ValueError('dataset: expected at least one sample, got an empty data set')
        super().__init__(dataset, shuffle, seed, round_up)
        self.batch_size = 1
        self.start = 0

    def set_batches(self, batch_size: int, drop_last: bool) -> None:
        """Deal out batches instead of samples.

        Args:
            batch_size: Of one process. Of every ``batch_size * world_size`` samples in order the
                first process gets the first ``batch_size``, and so on.
            drop_last: Leave out what does not fill a batch on every process.
        """
        self.batch_size = batch_size
        if drop_last:
            whole = batch_size * self.world_size
            self.total_size = self._whole_batches(whole) * whole
            self.num_samples = self.total_size // self.world_size

    def set_start(self, position: int) -> None:
        """Let the next pass begin in the middle of the epoch.

        Args:
            position: Samples of all processes that the epoch has behind it; whole batches.
        """
        if position % (self.batch_size * self.world_size) or not 0 <= position <= self.total_size:
            raise ValueError(
                f'the run stopped after {position} of the {self.total_size} samples of an epoch, '
                f'which are not whole batches of {self.batch_size} on {self.world_size} '
                'process(es): resume with a batch size and a number of processes whose product '
                'divides it'
            )
        self.start = position

    def __iter__(self) -> Iterator[int]:
        """This process' part of the epoch, from the start that was set."""
        order = self._epoch_order(torch.Generator().manual_seed(self.seed + self.epoch))
        order = (order * math.ceil(self.total_size / len(order)))[: self.total_size]
        start, self.start = self.start, 0
        whole = self.batch_size * self.world_size
        for first in range(start, len(order), whole):
            part = order[first : first + whole]
            if len(part) % self.world_size == 0:
                count = len(part) // self.world_size
                mine = part[self.rank * count : (self.rank + 1) * count]
            else:
                mine = part[self.rank :: self.world_size]
            for index in mine:
                yield SampleIndex(index, (self.seed, self.epoch, index))

    def _whole_batches(self, size: int) -> int:
        """How many batches of that size, all processes together, an epoch fills."""
        return len(self.dataset) // size

    def _epoch_order(self, generator: torch.Generator) -> list[int]:
        """The indices of all processes in the order of this epoch.

        Args:
            generator: For the shuffling; nothing else may be random.
        """
        size = len(self.dataset)
        if not self.shuffle:
            return list(range(size))
        return torch.randperm(size, generator=generator).tolist()
