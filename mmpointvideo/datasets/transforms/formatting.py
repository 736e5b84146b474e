"""From arrays to what the model gets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mmpointvideo.datasets.segments import split_segments
from mmpointvideo.registry import TRANSFORMS
from mmpointvideo.structures import PointVideoDataSample

from .base import PointVideoTransform, describe

META_KEYS = (
    'video_id',
    'video_index',
    'clip_start',
    'clip_index',
    'num_clips',
    'frame_inds',
    'sample_idx',
)


@TRANSFORMS.register_module()
class SplitSegments(PointVideoTransform):
    """Split a clip into equal segments: ``points`` ``(T, N, 3 + C)`` to ``(L, T/L, N, 3 + C)``.

    Labels of points are split alike.

    Args:
        num_segments: L.
    """

    def __init__(self, num_segments: int) -> None:
        if type(num_segments) is not int or num_segments < 1:
            raise ValueError(f'num_segments: expected an integer above 0, got {num_segments!r}')
        self.num_segments = num_segments

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Split ``points`` and ``point_labels``.

        Raises:
            ValueError: If T is not divisible by L.
        """
        results['points'] = split_segments(results['points'], self.num_segments, axis=0)
        labels = results.get('point_labels', {})
        results['point_labels'] = {
            name: split_segments(values, self.num_segments, axis=0)
            for name, values in labels.items()
        }
        return results


@TRANSFORMS.register_module()
class PackPointVideoInputs(PointVideoTransform):
    """Pack a clip for the model.

    Required key: ``points``. The result has two keys: ``inputs``, a float32 tensor
    ``(T, N, 3 + C)`` or ``(L, T/L, N, 3 + C)``, and ``data_samples``, a
    :class:`PointVideoDataSample` with ``gt_label`` where the video has one.

    Args:
        seg_label: Which of ``point_labels`` becomes ``gt_pts_seg``; None: there is none.
        meta_keys: What goes into the sample's metainfo, where it is there.

    Raises:
        TypeError: If ``meta_keys`` is a single name.
    """

    def __init__(self, seg_label: str | None = None, meta_keys: Sequence[str] = META_KEYS) -> None:
        if isinstance(meta_keys, str):
            raise TypeError(f'meta_keys: expected a list of names, got {meta_keys!r}')
        self.seg_label = seg_label
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Make ``inputs`` and ``data_samples``.

        Raises:
            ValueError: If ``seg_label`` was not loaded.
        """
        points = np.ascontiguousarray(results['points'], dtype=np.float32)
        meta = {key: results[key] for key in self.meta_keys if key in results}
        sample = PointVideoDataSample(metainfo=meta)
        if results.get('gt_label') is not None:
            sample.gt_label = results['gt_label']
        if self.seg_label is not None:
            labels = results.get('point_labels', {})
            if self.seg_label not in labels:
                raise ValueError(
                    f'{describe(results)}: seg_label expected one of {sorted(labels)}, got '
                    f'{self.seg_label!r}; name it in labels of LoadPointVideoFrames'
                )
            sample.gt_pts_seg = labels[self.seg_label].astype(np.int64)
        return dict(inputs=torch.from_numpy(points), data_samples=sample)
