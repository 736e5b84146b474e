"""Reading features by index, differentiable in the features."""

from __future__ import annotations

from torch import Tensor

from .checks import check_features, check_indices, check_same_batch, check_same_device
from .dispatch import resolve


def gather_points(features: Tensor, idx: Tensor) -> Tensor:
    """Read the features of some points.

    Args:
        features: ``(B, C, N)``.
        idx: Indices of points, ``(B, M)`` int64.

    Returns:
        ``(B, C, M)``; gradients flow into ``features``.

    Raises:
        ValueError: If a shape is wrong or (CPU) an index is outside 0..N-1.
    """
    check_features('features', features)
    check_indices('idx', idx, 2, features.shape[2])
    check_same_batch('features', features, 'idx', idx)
    return resolve('gather_points', features)(features, idx.long())


def group_points(features: Tensor, idx: Tensor) -> Tensor:
    """Read the features of groups of points.

    Args:
        features: ``(B, C, N)``.
        idx: Indices of the points of every group, ``(B, M, K)`` int64.

    Returns:
        ``(B, C, M, K)``; gradients flow into ``features``.

    Raises:
        ValueError: If a shape is wrong or (CPU) an index is outside 0..N-1.
    """
    check_features('features', features)
    check_indices('idx', idx, 3, features.shape[2])
    check_same_batch('features', features, 'idx', idx)
    return resolve('group_points', features)(features, idx.long())


def three_interpolate(features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of the features of three points.

    Args:
        features: ``(B, C, m)``.
        idx: ``(B, n, 3)`` int64, as from :func:`three_nn`.
        weight: ``(B, n, 3)``; as in the published operator it receives no gradient.

    Returns:
        ``(B, C, n)``; gradients flow into ``features``.

    Raises:
        ValueError: If a shape is wrong or (CPU) an index is outside 0..m-1.
    """
    check_features('features', features)
    check_indices('idx', idx, 3, features.shape[2])
    check_same_batch('features', features, 'idx', idx)
    if idx.shape[2] != 3 or weight.shape != idx.shape:
        raise ValueError(
            f'idx and weight: expected shape (B, n, 3) twice, got {tuple(idx.shape)} and '
            f'{tuple(weight.shape)}'
        )
    check_same_device(features=features, weight=weight)
    weight = weight.detach().to(features.dtype)
    return resolve('three_interpolate', features)(features, idx.long(), weight)
