"""MSRAction-3D: 20 actions, 10 subjects, 567 videos."""

from collections.abc import Sequence
from typing import Any

from mmpointvideo.registry import DATASETS

from .base import PointVideoDataset
from .subjects import check_subjects, videos_of_subjects


@DATASETS.register_module()
class MSRAction3DDataset(PointVideoDataset):
    """MSRAction-3D, split by subject (Li et al., "Action recognition based on a bag of 3D
    points", CVPR Workshops 2010; the split as in PSTNet, ICLR 2021).

    Reads the real depth videos, those simulated on the real skeletons, and the built-in actions:
    all have the field ``subject``.

    Args:
        split: ``'train'``: videos of ``train_subjects``; ``'test'``: of the others; ``'all'``.
        subjects: Of these only the videos of these subjects, e.g. ``split='train'`` with
            ``subjects=(1, 2, 3, 4)`` to train and ``subjects=(5,)`` to validate. A subject that
            is not of the split is an error, so that no test subject slips into training.
        train_subjects: Subjects whose videos train.
        **options: Those of :class:`PointVideoDataset`.

    Raises:
        TypeError: If ``subjects`` or ``train_subjects`` is no list of integers.
        ValueError: If ``split`` is none of the three.
    """

    METAINFO: dict = dict(dataset_type='MSRAction3DDataset', task='action_recognition')

    def __init__(
        self,
        *,
        split: str,
        subjects: Sequence[int] | None = None,
        train_subjects: Sequence[int] = (1, 2, 3, 4, 5),
        **options: Any,
    ) -> None:
        if split not in ('train', 'test', 'all'):
            raise ValueError(f"split: expected 'train', 'test' or 'all', got {split!r}")
        self.train_subjects = check_subjects('train_subjects', train_subjects, int)
        self.subjects = None if subjects is None else check_subjects('subjects', subjects, int)
        super().__init__(split=split, **options)

    def select_videos(self, videos: list[dict]) -> list[dict]:
        """The videos of the split's subjects.

        Raises:
            ValueError: If a video has no subject, or a subject is not in the split.
        """
        for video in videos:
            if not isinstance(video.get('subject'), int):
                raise ValueError(
                    f'{self.ann_file}: video {video["video_id"]} needs an integer subject for '
                    f'the split by subject, got {video.get("subject")!r}'
                )
        if self.split != 'all':
            train = self.split == 'train'
            videos = [v for v in videos if (v['subject'] in self.train_subjects) == train]
        where = f'split {self.split!r} in {self.ann_file}'
        return videos_of_subjects(videos, self.subjects, where)
