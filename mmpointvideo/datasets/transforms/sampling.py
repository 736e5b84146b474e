"""Choosing frames of a video and points of a frame."""

from typing import Any

import numpy as np

from mmpointvideo.datasets.clips import clip_frames, clip_starts
from mmpointvideo.datasets.storage import FrameBatch
from mmpointvideo.registry import TRANSFORMS

from .base import PointVideoTransform, describe


@TRANSFORMS.register_module()
class SampleFrames(PointVideoTransform):
    """Say which frames a clip has; nothing is read.

    Where the data set gives no start (``clips='random'``), one of the video's clips is drawn, all
    alike. Required keys: ``num_frames``, ``total_frames``, ``clip_start`` or None, and optionally
    ``frame_interval`` and ``clip_stride``. Added keys: ``frame_inds`` ``(T,)`` int64,
    ``clip_start``. Beyond the video's end its last frame is repeated.

    Args:
        mode: ``'clip'``, ``num_frames`` frames from ``clip_start`` at ``frame_interval``: the
            only mode so far.
    """

    def __init__(self, mode: str = 'clip') -> None:
        if mode != 'clip':
            raise ValueError(f"mode: expected 'clip', got {mode!r}")
        self.mode = mode

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``frame_inds`` and, where it was to be drawn, ``clip_start``."""
        num_frames, total = results['num_frames'], results['total_frames']
        interval = results.get('frame_interval', 1)
        if results.get('clip_start') is None:
            starts = clip_starts(total, num_frames, interval, results.get('clip_stride', 1))
            results['clip_start'] = int(self.rng(results).choice(starts))
        results['frame_inds'] = clip_frames(results['clip_start'], num_frames, interval, total)
        return results


def sample_indices(num_points: int, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw indices in random order.

    Without repetition where there are enough points; otherwise every point is drawn
    ``num_samples // num_points`` times, and the remainder without repetition.

    Args:
        num_points: n, at least 1.
        num_samples: N.
        rng: Random numbers.

    Returns:
        ``(N,)`` int64 in 0..n-1.
    """
    if num_points >= num_samples:
        return rng.choice(num_points, num_samples, replace=False)
    times, rest = divmod(num_samples, num_points)
    every = np.tile(np.arange(num_points), times)
    inds = np.concatenate([every, rng.choice(num_points, rest, replace=False)])
    rng.shuffle(inds)
    return inds


@TRANSFORMS.register_module()
class SamplePoints(PointVideoTransform):
    """Draw the same number of points from every frame, in random order.

    A ball query takes the first neighbours in index order, so the order matters: raster order
    would bias every neighbourhood. Frames draw independently, repeated ones too. Coordinates,
    features and labels of a point stay together.

    Required keys: ``frames``, a ``FrameBatch``; ``feature_channels`` if it has channels that are
    features. Added keys: ``points`` ``(T, N, 3 + C)`` float32; ``point_labels``, a dictionary of
    arrays ``(T, N)``, of the other channels. Removed key: ``frames``.

    Args:
        num_points: N. A frame with fewer points repeats them, all equally often or once more.
        empty_frame: A frame without points is an ``'error'``, or takes the points of the
            ``'nearest'`` frame of the clip that has some (of two the earlier).
    """

    def __init__(self, num_points: int, empty_frame: str = 'error') -> None:
        if type(num_points) is not int or num_points < 1:
            raise ValueError(f'num_points: expected an integer above 0, got {num_points!r}')
        if empty_frame not in ('error', 'nearest'):
            raise ValueError(f"empty_frame: expected 'error' or 'nearest', got {empty_frame!r}")
        self.num_points = num_points
        self.empty_frame = empty_frame

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``frames`` by ``points`` and ``point_labels``.

        Raises:
            ValueError: If a frame is empty (and must not be), or a coordinate is not finite.
        """
        frames: FrameBatch = results.pop('frames')
        self._check_finite(frames, results)
        source = self._source_frames(np.diff(frames.offsets), results)
        rng = self.rng(results)
        inds = np.empty((len(source), self.num_points), np.int64)
        for t, s in enumerate(source.tolist()):
            start, end = frames.offsets[s], frames.offsets[s + 1]
            inds[t] = start + sample_indices(int(end - start), self.num_points, rng)

        names = tuple(results.get('feature_channels', ()))
        parts = [frames.xyz[inds]]
        for name in names:
            values = frames.channels[name][inds]
            parts.append(values[..., None] if values.ndim == 2 else values)
        points = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        results['points'] = points.astype(np.float32, copy=False)
        results['point_labels'] = {
            name: values[inds] for name, values in frames.channels.items() if name not in names
        }
        return results

    def _source_frames(self, counts: np.ndarray, results: dict) -> np.ndarray:
        """Which frame of the batch gives the points of each frame of the clip, ``(T,)``."""
        empty = np.flatnonzero(counts == 0)
        source = np.arange(len(counts))
        if not len(empty):
            return source
        inds = np.asarray(results.get('frame_inds', source))
        if self.empty_frame == 'error' or len(empty) == len(counts):
            hint = "; empty_frame='nearest' takes its neighbour's points"
            raise ValueError(
                f'{describe(results)}: no points in frame(s) {inds[empty].tolist()} of '
                f'{len(counts)}{hint if len(empty) < len(counts) else ""}'
            )
        full = np.flatnonzero(counts)
        source[empty] = full[np.abs(full[None] - empty[:, None]).argmin(axis=1)]
        return source

    @staticmethod
    def _check_finite(frames: FrameBatch, results: dict) -> None:
        finite = np.isfinite(frames.xyz)
        if not finite.all():
            point = int(np.flatnonzero(~finite.all(axis=1))[0])
            t = int(np.searchsorted(frames.offsets, point, side='right')) - 1
            frame = np.asarray(results.get('frame_inds', np.arange(len(frames))))[t]
            raise ValueError(
                f'{describe(results)}: NaN or infinite coordinates in frame {frame}; check the '
                'data with tools/misc/verify_dataset.py'
            )
