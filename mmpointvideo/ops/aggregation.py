"""The aggregation of PSTConv, fused: no tensor over neighbours and channels is ever built."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import no_autocast
from .checks import check_indices, check_positions, check_same_device
from .dispatch import resolve

AGGREGATIONS = ('multiplication', 'addition')
POOLINGS = ('sum', 'max', 'avg')


def aggregate_displaced(
    features: Tensor | None,
    displacement_weight: Tensor,
    xyz: Tensor,
    centers: Tensor,
    idx: Tensor,
    frames: Tensor,
    aggregation: str = 'multiplication',
    pooling: str = 'sum',
) -> Tensor:
    """Combine neighbours' features with their projected displacements, and pool.

    For anchor frame a, centre m and tap s, with ``f = frames[a, s]``, ``j_k = idx[a, s, m, k]``
    and ``d_k = xyz[f, j_k] - centers[a, m]``: pool over k of ``features[f, j_k] * (W d_k)``
    (multiplication), ``features[f, j_k] + W d_k`` (addition) or ``W d_k`` (no features).

    Args:
        features: Projected features, channels last, ``(F, N, C)``, or None.
        displacement_weight: W, ``(C, 3)``.
        xyz: Positions of all source frames of the batch, ``(F, N, 3)``.
        centers: Centres of the neighbourhoods, ``(A, M, 3)``.
        idx: Neighbours, ``(A, S, M, K)`` int64.
        frames: The source frame of every tap, ``(A, S)`` int64. -1 stands for a frame whose
            features are zeros and is allowed with multiplication only, where it adds nothing.
        aggregation: ``'multiplication'`` or ``'addition'``.
        pooling: ``'sum'``, ``'max'`` or ``'avg'``.

    Returns:
        ``(A, M, S, C)``. Gradients flow into ``features`` and ``displacement_weight``, not into
        positions. The type is that of the positions: half-precision features are summed in it.

    Raises:
        ValueError: If a shape or an option is wrong, tensors are on several devices, or (on CPU)
            an index is out of range.
        TypeError: If indices are no integers, or positions no floating-point numbers.
    """
    if aggregation not in AGGREGATIONS:
        raise ValueError(f'aggregation: expected one of {AGGREGATIONS}, got {aggregation!r}')
    if pooling not in POOLINGS:
        raise ValueError(f'pooling: expected one of {POOLINGS}, got {pooling!r}')
    check_positions('xyz', xyz)
    check_positions('centers', centers)
    if (
        idx.dim() != 4
        or frames.shape != idx.shape[:2]
        or centers.shape[:2] != (idx.shape[0], idx.shape[2])
    ):
        raise ValueError(
            f'expected idx (A, S, M, K), frames (A, S) and centers (A, M, 3), got '
            f'{tuple(idx.shape)}, {tuple(frames.shape)} and {tuple(centers.shape)}'
        )
    if idx.shape[3] == 0:
        raise ValueError(f'idx: expected at least one neighbour, got shape {tuple(idx.shape)}')
    channels = displacement_weight.shape[:1] if features is None else features.shape[-1:]
    if features is not None and (features.dim() != 3 or features.shape[:2] != xyz.shape[:2]):
        raise ValueError(
            f'expected features (F, N, C) at xyz (F, N, 3), got {tuple(features.shape)} at '
            f'{tuple(xyz.shape)}'
        )
    if displacement_weight.shape != (*channels, 3):
        raise ValueError(
            f'displacement_weight: expected shape {(*channels, 3)}, got '
            f'{tuple(displacement_weight.shape)}'
        )
    check_same_device(
        xyz=xyz,
        centers=centers,
        features=features,
        displacement_weight=displacement_weight,
        idx=idx,
        frames=frames,
    )
    check_indices('idx', idx, 4, xyz.shape[1])
    skips = features is not None and aggregation == 'multiplication'
    check_indices('frames', frames, 2, xyz.shape[0], low=-1 if skips else 0)
    xyz, centers = xyz.detach(), centers.detach().to(xyz.dtype)
    weight = displacement_weight.to(xyz.dtype)
    features = None if features is None else features.to(xyz.dtype)
    with no_autocast(xyz):
        return _aggregate(features, weight, xyz, centers, idx, frames, aggregation, pooling)


def _aggregate(
    features: Tensor | None,
    weight: Tensor,
    xyz: Tensor,
    centers: Tensor,
    idx: Tensor,
    frames: Tensor,
    aggregation: str,
    pooling: str,
) -> Tensor:
    if pooling == 'max':
        kind = 'none' if features is None else aggregation
        return resolve('pool_max', xyz)(features, weight, xyz, centers, idx, frames, kind)
    if pooling == 'avg':
        weight = weight / idx.shape[3]
    if features is not None and aggregation == 'multiplication':
        return resolve('multiply_sum', xyz)(features, weight, xyz, centers, idx, frames)
    # a sum of projections is the projection of the sum
    out = F.linear(resolve('sum_displacements', xyz)(xyz, centers, idx, frames), weight)
    if features is None:
        return out
    summed = resolve('gather_sum', xyz)(features, idx, frames)
    return out + (summed / idx.shape[3] if pooling == 'avg' else summed)
