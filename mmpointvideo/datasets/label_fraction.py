"""Training with few labels: a stratified part of a data set's videos."""

import hashlib
import math
from collections import defaultdict
from numbers import Integral, Real
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmpointvideo.registry import DATASETS

from .base import PointVideoDataset


@DATASETS.register_module()
class LabelFraction(Dataset):
    """The clips of a part of the videos, the same share of every class.

    Videos of a class are put in an order that depends on nothing but ``seed`` and their names (a
    SHA-256 of both), and the first ones are taken. So every process and machine takes the same
    videos, whatever its libraries' versions; 10 % are among the 50 % of the same seed; and a
    video that is missing on one machine does not change which others are taken beyond its own
    class.

    Scenes (``Synthia4DDataset``) have no class a video: there a share of the labelled *frames* is
    drawn, by its own option ``label_fraction``.

    Args:
        dataset: Config of a :class:`PointVideoDataset` with labels, or the data set itself.
        fraction: Share of every class's videos, above 0 up to 1; a class keeps at least one.
        videos_per_class: This number of videos of every class instead; of a class that has fewer,
            all.
        seed: Another seed, another choice.
        lazy_init: Choose later.

    Raises:
        TypeError: If ``dataset`` is no such data set, or ``fraction`` or ``videos_per_class`` no
            number.
        ValueError: If not exactly one of ``fraction`` and ``videos_per_class`` is given, one is
            out of range, or a video has no label.

    Examples:
        >>> half = dict(
        ...     type='LabelFraction',
        ...     fraction=0.5,
        ...     dataset=dict(type='NTURGBDDataset', split='train', ann_file='annotations.json'))
    """

    def __init__(
        self,
        dataset: dict | PointVideoDataset,
        fraction: float | None = None,
        videos_per_class: int | None = None,
        seed: int = 0,
        lazy_init: bool = False,
    ) -> None:
        if (fraction is None) == (videos_per_class is None):
            raise ValueError(
                'LabelFraction: expected either fraction or videos_per_class, got '
                f'fraction={fraction!r}, videos_per_class={videos_per_class!r}'
            )
        for name, value, kind, what in (
            ('fraction', fraction, Real, 'a number'),
            ('videos_per_class', videos_per_class, Integral, 'an integer'),
        ):
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                raise TypeError(f'{name}: expected {what}, got {value!r}')
        if fraction is not None and not 0 < fraction <= 1:
            raise ValueError(f'fraction: expected above 0 up to 1, got {fraction!r}')
        if videos_per_class is not None and videos_per_class < 1:
            raise ValueError(f'videos_per_class: expected at least 1, got {videos_per_class!r}')
        built = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        if not isinstance(built, PointVideoDataset):
            raise TypeError(
                f'dataset: expected a PointVideoDataset or its config, got {type(built).__name__}'
            )
        self.source = built
        self.fraction = fraction
        self.videos_per_class = videos_per_class
        self.seed = seed
        self.dataset: PointVideoDataset | None = None
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """The data set's, e.g. ``classes``."""
        return self.source.metainfo

    def full_init(self) -> None:
        """Read the data set and choose."""
        if self.dataset is not None:
            return
        self.source.full_init()
        clips = self.source.clip_videos
        positions = np.unique(clips)
        videos = {
            int(position): self.source.get_video_info(int(position)) for position in positions
        }
        chosen = self.choose(videos)
        self.dataset = self.source.get_subset(np.flatnonzero(np.isin(clips, chosen)).tolist())
        print_log(
            f'LabelFraction: {len(chosen)} of {len(videos)} videos, {len(self.dataset)} of '
            f'{len(self.source)} clips (seed {self.seed})',
            logger='current',
        )

    def choose(self, videos: dict[int, dict]) -> list[int]:
        """Which videos are taken.

        Args:
            videos: By position, with ``video_id`` and ``gt_label``.

        Returns:
            Positions, ascending.
        """
        classes: dict[int, list[tuple[str, int]]] = defaultdict(list)
        for position, video in videos.items():
            if 'gt_label' not in video:
                raise ValueError(f'LabelFraction: video {video["video_id"]} has no gt_label')
            key = hashlib.sha256(f'{self.seed}/{video["video_id"]}'.encode()).hexdigest()
            classes[video['gt_label']].append((key, position))
        chosen: list[int] = []
        for members in classes.values():
            if self.fraction is not None:
                count = max(1, math.floor(self.fraction * len(members) + 0.5))
            else:
                assert self.videos_per_class is not None
                count = self.videos_per_class
            chosen += [position for _, position in sorted(members)[:count]]
        return sorted(chosen)

    def _chosen(self) -> BaseDataset:
        self.full_init()
        assert self.dataset is not None
        return self.dataset

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._chosen())

    def __getitem__(self, idx: int) -> Any:
        """A clip through the data set's pipeline."""
        return self._chosen()[idx]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """The item as the pipeline gets it.

        Args:
            idx: Number of the clip.
        """
        return self._chosen().get_data_info(idx)

    def get_cat_ids(self, idx: int) -> list[int]:
        """The clip's class.

        Args:
            idx: Number of the clip.
        """
        return self._chosen().get_cat_ids(idx)

    @property
    def num_videos(self) -> int:
        """Number of videos taken."""
        self.full_init()
        assert self.dataset is not None
        return self.dataset.num_videos
