"""Neighbour searches: ball query and the three nearest."""

from __future__ import annotations

from torch import Tensor

from .checks import check_count, check_finite, check_positions, check_radius, check_same_batch
from .dispatch import resolve


def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
    """For every centre the first points, in index order, that lie in a ball around it.

    Args:
        xyz: Positions to search, ``(B, N, 3)``.
        centers: Centres of the balls, ``(B, M, 3)``.
        radius: Radius of the balls, in units of the coordinates; the squared distance must be
            strictly less than its square (both rounded to the coordinates' type).
        num_neighbors: Number of points to return, K; may exceed N.

    Returns:
        Indices, ``(B, M, K)`` int64. Missing slots repeat the first hit; a ball without any
        point gives index 0 in every slot.

    Raises:
        ValueError: If a shape or count is wrong, the radius is not positive, or (CPU) a
            coordinate is not finite.

    Example:
        >>> xyz = torch.tensor([[[0., 0, 0], [5, 0, 0], [1, 0, 0]]])
        >>> ball_query(xyz, xyz[:, :1], 2.0, 3).tolist()
        [[[0, 2, 0]]]
    """
    check_positions('xyz', xyz)
    check_positions('centers', centers)
    check_same_batch('xyz', xyz, 'centers', centers)
    num_neighbors = check_count('num_neighbors', num_neighbors, 1)
    radius = check_radius(radius)
    check_finite('xyz', xyz)
    check_finite('centers', centers)
    xyz, centers = xyz.detach(), centers.detach()
    return resolve('ball_query', xyz)(xyz, centers, radius, num_neighbors)


def three_nn(target_xyz: Tensor, source_xyz: Tensor) -> tuple[Tensor, Tensor]:
    """The three nearest source points of every target point, nearest first.

    Args:
        target_xyz: Positions to carry features to, ``(B, n, 3)``.
        source_xyz: Positions that have features, ``(B, m, 3)``.

    Returns:
        Euclidean distances (not squared), ``(B, n, 3)``, and indices, ``(B, n, 3)`` int64. Of
        equally near points the lowest index comes first. With fewer than three source points
        the missing ones have an infinite distance and index 0. Not differentiable.

    Raises:
        ValueError: If a shape is wrong or (CPU) a coordinate is not finite.
    """
    check_positions('target_xyz', target_xyz)
    check_positions('source_xyz', source_xyz)
    check_same_batch('target_xyz', target_xyz, 'source_xyz', source_xyz)
    check_finite('target_xyz', target_xyz)
    check_finite('source_xyz', source_xyz)
    target_xyz, source_xyz = target_xyz.detach(), source_xyz.detach()
    return resolve('three_nn', target_xyz)(target_xyz, source_xyz)
