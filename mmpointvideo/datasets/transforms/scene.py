"""Transforms for scenes: halves, the centre, colours, labels of points."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mmpointvideo.datasets.scene_halves import in_half
from mmpointvideo.datasets.storage import FrameBatch
from mmpointvideo.registry import TRANSFORMS

from .base import PointVideoTransform, describe
from .formatting import META_KEYS, PackPointVideoInputs

IGNORE_INDEX = 255


@TRANSFORMS.register_module()
class CropHalfScene(PointVideoTransform):
    """Keep one half of the scene, cut at the centre's z, with a strip of the other as context.

    Half 0 is where ``z > center_z``, half 1 where ``z <= center_z``, so every point is in exactly
    one. All frames of the clip are cut at the labelled frame's centre.

    Required keys: ``frames``, a ``FrameBatch``; ``center`` ``(3,)``; ``half``: 0, 1 or None, which
    keeps the whole scene. Two channels are added to ``frames``: ``loss_mask``, 1 inside the half,
    and ``point_index``, a point's number in its stored frame.

    Args:
        context: Width of the strip, in metres.
    """

    def __init__(self, context: float = 1.0) -> None:
        if not context >= 0:
            raise ValueError(f'context: expected at least 0, got {context!r}')
        self.context = float(context)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop ``frames``.

        Raises:
            ValueError: If ``half`` is none of these, or the labelled (last) frame has no point
                inside the half. An earlier frame without points is left to ``SamplePoints``.
        """
        frames: FrameBatch = results['frames']
        half = results.get('half')
        if half not in (0, 1, None):
            raise ValueError(f'{describe(results)}: half: expected 0, 1 or None, got {half!r}')
        xyz, center = frames.xyz, results['center']
        inside = np.ones(len(xyz), bool) if half is None else in_half(xyz, center, half)
        keep = np.flatnonzero(inside | (np.abs(xyz[:, 2] - center[2]) < self.context))
        if not inside[frames.offsets[-2] :].any():
            raise ValueError(
                f'{describe(results)}: the labelled frame {results["frame_inds"][-1]} has no '
                f'point in half {half} of its scene'
            )
        counts = np.diff(frames.offsets)
        index = np.arange(len(xyz)) - np.repeat(frames.offsets[:-1], counts)
        channels = dict(frames.channels, loss_mask=inside.astype(np.uint8), point_index=index)
        results['frames'] = FrameBatch(
            frames.xyz[keep],
            {name: values[keep] for name, values in channels.items()},
            np.searchsorted(keep, frames.offsets),
        )
        return results


@TRANSFORMS.register_module()
class CenterScene(PointVideoTransform):
    """Subtract the labelled frame's centre from all coordinates of the clip.

    The published augmentation turns and scales about this centre, so after this step the
    transforms that work about the origin do the same. Required keys: ``frames``, ``center``.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Move ``frames``."""
        frames: FrameBatch = results['frames']
        xyz = (frames.xyz - np.asarray(results['center'], np.float64)).astype(np.float32)
        results['frames'] = replace(frames, xyz=xyz)
        return results


@TRANSFORMS.register_module()
class ScaleFeatures(PointVideoTransform):
    """Multiply the features of ``points`` by a constant and add another.

    Args:
        factor: The first; 1/255 brings stored colours to the published 0..1.
        offset: The second.
    """

    def __init__(self, factor: float, offset: float = 0.0) -> None:
        if not np.isfinite([factor, offset]).all():
            raise ValueError(f'expected finite factor and offset, got {factor!r}, {offset!r}')
        self.factor = float(factor)
        self.offset = float(offset)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``points[..., 3:]``."""
        features = results['points'][..., 3:]
        features *= np.float32(self.factor)
        features += np.float32(self.offset)
        return results


@TRANSFORMS.register_module()
class RandomColor(PointVideoTransform):
    """Change light and tint of every frame at random, colours in 0..1.

    Every channel of a frame is multiplied by a factor of its own, then all get the same shift.
    Without it a clip can be told from others by its light alone, which a contrast between clips
    then learns instead of what is in the scene.

    Args:
        gain_range: Smallest and largest factor.
        shift_range: Smallest and largest shift.
    """

    is_augmentation = True

    def __init__(
        self,
        gain_range: tuple[float, float] = (0.6, 1.4),
        shift_range: tuple[float, float] = (-0.2, 0.2),
    ) -> None:
        for name, (low, high) in (('gain_range', gain_range), ('shift_range', shift_range)):
            if not (np.isfinite([low, high]).all() and low <= high):
                raise ValueError(f'{name}: expected (low, high), got {(low, high)}')
        if gain_range[0] < 0:
            raise ValueError(f'gain_range: expected 0 or more, got {gain_range}')
        self.gain_range = (float(gain_range[0]), float(gain_range[1]))
        self.shift_range = (float(shift_range[0]), float(shift_range[1]))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``points[..., 3:6]``.

        Raises:
            ValueError: If the points have no colours, or these are not in 0..1.
        """
        colors = results['points'][..., 3:6]
        if colors.shape[-1] != 3 or (colors.size and not 0 <= colors.min() <= colors.max() <= 1):
            raise ValueError(
                f'{describe(results)}: expected three colour channels in 0..1 after x, y, z: put '
                'RandomColor behind ScaleFeatures'
            )
        rng = self.rng(results)
        frames = len(colors)
        gain = rng.uniform(*self.gain_range, size=(frames, 1, 3))
        shift = rng.uniform(*self.shift_range, size=(frames, 1, 1))
        colors[:] = np.clip(colors * gain + shift, 0, 1)
        return results


@TRANSFORMS.register_module()
class MapPointLabels(PointVideoTransform):
    """Turn stored label ids into classes.

    Required key: ``point_labels``.

    Args:
        label_ids: Stored id of every class, in the classes' order.
        ignored_ids: Stored ids that are no class.
        name: Which of ``point_labels``.
        ignore_index: What the latter become.
    """

    def __init__(
        self,
        label_ids: Sequence[int],
        ignored_ids: Sequence[int] = (),
        name: str = 'label',
        ignore_index: int = IGNORE_INDEX,
    ) -> None:
        ids = [*label_ids, *ignored_ids]
        if not ids or len(set(ids)) != len(ids) or min(ids) < 0:
            raise ValueError(f'expected different label ids of 0 or more, got {ids}')
        self.label_ids = tuple(label_ids)
        self.ignored_ids = tuple(ignored_ids)
        self.name = name
        self.ignore_index = ignore_index
        self._table = np.full(max(ids) + 1, -1, np.int64)
        self._table[list(label_ids)] = np.arange(len(self.label_ids))
        self._table[list(ignored_ids)] = ignore_index

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace the labels.

        Raises:
            ValueError: If there are no such labels, or an id is not known.
        """
        labels = results.get('point_labels', {})
        if self.name not in labels:
            raise ValueError(
                f'{describe(results)}: expected labels {self.name!r}, there are {sorted(labels)}; '
                'name them in labels of LoadPointVideoFrames'
            )
        stored = labels[self.name].astype(np.int64)
        known = (stored >= 0) & (stored < len(self._table))
        mapped = self._table[np.where(known, stored, 0)]
        known &= mapped >= 0
        if not known.all():
            raise ValueError(
                f'{describe(results)}: unknown label ids {np.unique(stored[~known]).tolist()[:10]}'
            )
        labels[self.name] = mapped
        return results


@TRANSFORMS.register_module()
class PackSceneInputs(PackPointVideoInputs):
    """As ``PackPointVideoInputs``, and what a half-scene needs besides.

    The sample has also ``loss_mask``, bool, where loss and metric count, and ``point_index``,
    int64, numbers of the points in their stored frames, both of the shape of ``gt_pts_seg``.

    Args:
        seg_label: Which of ``point_labels`` becomes ``gt_pts_seg``.
        meta_keys: What goes into the sample's metainfo, where it is there.
    """

    def __init__(
        self,
        seg_label: str | None = 'label',
        meta_keys: Sequence[str] = (*META_KEYS, 'video_path', 'frame_id', 'half', 'center'),
    ) -> None:
        super().__init__(seg_label, meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Make ``inputs`` and ``data_samples``.

        Raises:
            ValueError: If ``CropHalfScene`` is not in the pipeline or labels are missing.
        """
        labels = results.get('point_labels', {})
        if not {'loss_mask', 'point_index'} <= set(labels):
            raise ValueError(
                f'{describe(results)}: expected loss_mask and point_index, put CropHalfScene '
                'before SamplePoints'
            )
        packed = super().transform(results)
        sample = packed['data_samples']
        sample.loss_mask = torch.from_numpy(labels['loss_mask'].astype(bool))
        sample.point_index = torch.from_numpy(labels['point_index'].astype(np.int64))
        return packed
