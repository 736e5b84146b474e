"""From predictions of sampled half-scenes to a label for every point of the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from mmpointvideo.ops import three_nn


class ScenePart(NamedTuple):
    """Predictions of one crop of a scene.

    Attributes:
        point_index: ``(m,)`` numbers of the points in the scene; repetitions allowed.
        labels: ``(m,)`` predicted classes.
        inside: ``(m,)`` bool: which of them belong to this crop; the others are context.
    """

    point_index: np.ndarray
    labels: np.ndarray
    inside: np.ndarray


def propagate_labels(xyz: np.ndarray, source_xyz: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give every point the label of the nearest point that has one.

    Args:
        xyz: ``(n, 3)`` points that need a label.
        source_xyz: ``(m, 3)`` points that have one.
        labels: ``(m,)`` theirs.

    Returns:
        ``(n,)``, of the type of ``labels``. Of equally near points the first counts.

    Raises:
        ValueError: If there is no point with a label.
    """
    if len(source_xyz) != len(labels) or not len(labels):
        raise ValueError(
            f'expected as many labels as points, at least one, got {len(labels)} labels of '
            f'{len(source_xyz)} points'
        )
    if not len(xyz):
        return np.asarray(labels)[:0]
    # about a common origin: float32 is finer near 0
    origin = np.asarray(source_xyz, np.float64).mean(axis=0)
    target, source = (
        torch.from_numpy(np.ascontiguousarray((p - origin)[None], np.float32))
        for p in (xyz, source_xyz)
    )
    nearest = three_nn(target, source)[1][0, :, 0].numpy()
    return np.asarray(labels)[nearest]


def merge_scene(xyz: np.ndarray, parts: Sequence[ScenePart]) -> np.ndarray:
    """Merge the predictions of a scene's crops; every point of the scene gets a label.

    A point that was predicted inside its crop has that label, one that was not sampled that of
    the nearest such point. Where parts disagree about a point, the last one counts.

    Args:
        xyz: ``(n, 3)`` all points of the scene.
        parts: Predictions, usually of the two halves.

    Returns:
        ``(n,)`` int64.

    Raises:
        ValueError: If a part does not fit, or no point was predicted inside its crop.
    """
    labels = np.full(len(xyz), -1, np.int64)
    for part in parts:
        shapes = {np.shape(a) for a in part}
        index = np.asarray(part.point_index)
        if len(shapes) != 1 or index.ndim != 1:
            raise ValueError(f'expected three arrays (m,), got {[np.shape(a) for a in part]}')
        if index.size and (index.min() < 0 or index.max() >= len(xyz)):
            raise ValueError(
                f'point_index: expected 0..{len(xyz) - 1}, got {index.min()}..{index.max()}'
            )
        inside = np.asarray(part.inside, bool)
        labels[index[inside]] = np.asarray(part.labels)[inside]
    known = labels >= 0
    if not known.any():
        raise ValueError('no point was predicted inside its crop')
    labels[~known] = propagate_labels(xyz[~known], xyz[known], labels[known])
    return labels
