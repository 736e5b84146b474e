"""Clips made up in memory."""

import numpy as np
import torch
from torch import Tensor

from mmpointvideo.datasets.segments import split_segments
from mmpointvideo.structures import PointVideoDataSample


def tiny_clip(
    num_frames: int = 8, num_points: int = 64, num_features: int = 0, seed: int = 0
) -> np.ndarray:
    """A small body that swings from side to side, about 2 units in front of the camera.

    Args:
        num_frames: T.
        num_points: N.
        num_features: C, random features in 0..1.
        seed: Of the random numbers; another seed is another body and another motion.

    Returns:
        ``(T, N, 3 + C)`` float32, points in random order.
    """
    rng = np.random.default_rng(seed)
    body = rng.uniform(-1, 1, (num_points, 3)) * rng.uniform((0.2, 0.6, 0.1), (0.4, 0.8, 0.2))
    phase = np.arange(num_frames) * rng.uniform(0.3, 0.6) + rng.uniform(0, 2 * np.pi)
    points = np.repeat(body[None], num_frames, axis=0)
    points[..., 0] += 0.3 * np.sin(phase)[:, None] * body[:, 1]  # the lower, the wider
    points[..., 2] += 2
    features = rng.random((num_frames, num_points, num_features))
    return np.concatenate([points, features], axis=-1).astype(np.float32)


def tiny_batch(
    batch_size: int = 2,
    num_frames: int = 8,
    num_points: int = 64,
    num_features: int = 0,
    num_segments: int | None = None,
    num_classes: int = 4,
    seed: int = 0,
) -> tuple[dict[str, Tensor | None], list[PointVideoDataSample]]:
    """A batch as the data preprocessor gives it to a model.

    Args:
        batch_size: B.
        num_frames: T.
        num_points: N.
        num_features: C.
        num_segments: L, for clips in segments.
        num_classes: Clip i has the label i modulo this.
        seed: Of the first clip; the next ones count on.

    Returns:
        ``inputs``: ``xyz`` ``(B, T, N, 3)`` or ``(B, L, T/L, N, 3)``, ``features``
        ``(B, T, C, N)`` or ``(B, L, T/L, C, N)`` or None; and B samples, each of another video.
    """
    clips = [tiny_clip(num_frames, num_points, num_features, seed + i) for i in range(batch_size)]
    points = torch.from_numpy(np.stack(clips))
    if num_segments is not None:
        points = split_segments(points, num_segments, axis=1)
    features = None
    if num_features:
        features = points[..., 3:].transpose(-1, -2).contiguous()
    samples = []
    for i in range(batch_size):
        meta = dict(
            video_id=f'video{i:03d}',
            video_index=i,
            clip_start=0,
            clip_index=0,
            num_clips=1,
            frame_inds=np.arange(num_frames),
            sample_idx=i,
        )
        samples.append(PointVideoDataSample(metainfo=meta, gt_label=i % num_classes))
    return dict(xyz=points[..., :3].contiguous(), features=features), samples
