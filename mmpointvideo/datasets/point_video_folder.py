"""People's own point cloud videos."""

from collections.abc import Sequence
from typing import Any

from mmpointvideo.registry import DATASETS

from .base import PointVideoDataset
from .subjects import check_subjects, videos_of_subjects


@DATASETS.register_module()
class PointVideoFolderDataset(PointVideoDataset):
    """Videos converted by ``tools/dataset_converters/point_folders.py``.

    The annotations' field ``split`` says where a video belongs, so ``split`` may be any name
    that occurs in them; None takes all videos.

    Args:
        subjects: Of these only the videos whose field ``subject``, a number or a name, is one of
            these, e.g. ``split='train'`` with ``subjects=('ann', 'bob')`` to train and
            ``subjects=('eve',)`` to validate. A subject that is not of the split is an error.
        **options: Those of :class:`PointVideoDataset`.

    Raises:
        TypeError: If ``subjects`` is no list of numbers or names.
        ValueError: If a video has no subject and ``subjects`` are asked for.
    """

    METAINFO: dict = dict(dataset_type='PointVideoFolderDataset')

    def __init__(self, *, subjects: Sequence[int | str] | None = None, **options: Any) -> None:
        kinds = (int, str)
        self.subjects = None if subjects is None else check_subjects('subjects', subjects, kinds)
        super().__init__(**options)

    def select_videos(self, videos: list[dict]) -> list[dict]:
        """The videos of the split, and of the subjects.

        Raises:
            ValueError: If no video is in the split, one of them has no subject, or a subject is
                not in the split.
        """
        videos = super().select_videos(videos)
        if self.subjects is not None:
            for video in videos:
                if not isinstance(video.get('subject'), int | str):
                    raise ValueError(
                        f'{self.ann_file}: video {video["video_id"]} needs a field subject for '
                        f'subjects={self.subjects}, got {video.get("subject")!r}; give the table '
                        'of the converter a column of this name'
                    )
        where = f'split {self.split!r} in {self.ann_file}'
        return videos_of_subjects(videos, self.subjects, where)
