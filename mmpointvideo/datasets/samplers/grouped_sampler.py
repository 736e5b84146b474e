"""Batches of one group of videos each, for contrast within a group."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from mmpointvideo.registry import DATA_SAMPLERS

from .default_sampler import DefaultSampler

if TYPE_CHECKING:
    from mmpointvideo.datasets.base import PointVideoDataset


@DATA_SAMPLERS.register_module()
class GroupedSampler(DefaultSampler):
    """Every batch holds clips of one group of videos, such as one subject.

    Where the other clips of a batch are the negatives, a network can tell them from the target by
    who is seen, from where or how far off. With one subject to a batch what people look like says
    nothing, and what they do has to be learned. The groups come from the annotations of the
    videos, not from their labels.

    In every epoch the clips of each group are shuffled and cut into whole batches (the batches of
    all processes together count as one), and the batches are shuffled. What fills no batch is left
    out of this epoch, other clips in each; so the loader needs ``drop_last=True``. Seeds of the
    samples and resuming are the parent's.

    Args:
        dataset: A data set of point cloud videos.
        field: Integer or text of a video's annotation that names its group: ``'subject'``,
            ``'camera'``.
        seed: The same on all processes; by default drawn.

    Raises:
        TypeError: If the data set is none of ours, a wrapper for instance.
        ValueError: If a video lacks the field.
        RuntimeError: In the first epoch, if the loop is one that does not say how large the
            batches are, such as MMEngine's own.
    """

    def __init__(self, dataset: PointVideoDataset, field: str, seed: int | None = None) -> None:
        if not hasattr(dataset, 'get_clip_field'):
            raise TypeError(
                f'GroupedSampler: expected a PointVideoDataset, got {type(dataset).__name__}, '
                'which does not say which video a clip is of; use DefaultSampler'
            )
        super().__init__(dataset, shuffle=True, seed=seed)
        self.batch_size = 0  # until set_batches
        self.groups: dict[int | str, list[int]] = defaultdict(list)
        for clip, name in enumerate(dataset.get_clip_field(field)):
            self.groups[name].append(clip)

    def set_batches(self, batch_size: int, drop_last: bool) -> None:
        """Cut the groups into batches.

        Args:
            batch_size: Of one process.
            drop_last: Has to be True.

        Raises:
            ValueError: If ``drop_last`` is False or no group fills a batch.
        """
        if not drop_last:
            raise ValueError('GroupedSampler: expected drop_last=True in the data loader')
        super().set_batches(batch_size, drop_last)

    def _whole_batches(self, size: int) -> int:
        batches = sum(len(clips) // size for clips in self.groups.values())
        if batches == 0:
            largest = max(len(clips) for clips in self.groups.values())
            raise ValueError(
                f'GroupedSampler: the largest group has {largest} clips, which do not fill a '
                f'batch of {size // self.world_size} on {self.world_size} process(es); use '
                'smaller batches, more clips a video or DefaultSampler'
            )
        return batches

    def _epoch_order(self, generator: torch.Generator) -> list[int]:
        if self.batch_size == 0:
            raise RuntimeError(
                'GroupedSampler: expected set_batches() before the first epoch, as the train loop '
                "does; use train_cfg = dict(type='EpochBasedTrainLoop', ...) in the scope "
                'mmpointvideo'
            )
        whole = self.batch_size * self.world_size
        batches = []
        for clips in self.groups.values():
            shuffled = [clips[i] for i in torch.randperm(len(clips), generator=generator).tolist()]
            batches += [shuffled[i : i + whole] for i in range(0, len(clips) - whole + 1, whole)]
        order = torch.randperm(len(batches), generator=generator).tolist()
        return [clip for batch in order for clip in batches[batch]]
