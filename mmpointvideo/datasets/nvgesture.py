"""NvGesture: 25 hand gestures, 1532 videos."""

from typing import Any

from mmpointvideo.registry import DATASETS

from .base import PointVideoDataset


@DATASETS.register_module()
class NvGestureDataset(PointVideoDataset):
    """NvGesture with its official split (Molchanov et al., CVPR 2016): 1050 training and 482 test
    videos.

    The converter stores 32 frames of every video, so the default clip is the whole video. Points
    are (u, v, d): pixel column, pixel row, 8-bit depth; ``NormalizeClip`` in the pipeline brings
    a clip to -1..1.

    Args:
        split: ``'train'``, ``'test'`` or ``'all'``.
        num_frames: T.
        **options: Those of :class:`PointVideoDataset`.
    """

    METAINFO: dict = dict(dataset_type='NvGestureDataset', task='gesture_recognition')

    def __init__(self, *, split: str, num_frames: int = 32, **options: Any) -> None:
        if split not in ('train', 'test', 'all'):
            raise ValueError(f"split: expected 'train', 'test' or 'all', got {split!r}")
        super().__init__(split=split, num_frames=num_frames, **options)

    def select_videos(self, videos: list[dict]) -> list[dict]:
        """The videos of the official list.

        Raises:
            ValueError: If no video is in the split.
        """
        return videos if self.split == 'all' else super().select_videos(videos)
