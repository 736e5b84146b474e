"""How full the balls of a query are: what its algorithm is chosen by.

A scan in index order ends where a ball is full, so it is fast on dense clouds and reads all points
of a sparse one; a grid of cells does the opposite. Both give the same neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: clouds, balls and points that are looked at
_CLOUDS, _BALLS, _POINTS = 4, 32, 256
#: smaller clouds are scanned without a look
SMALL_CLOUD = 1024
# nanoseconds on one core of a Zen 5: a point of a scan, a point of the cells around a ball, a ball,
# and a point that is put into its cell
_SCANNED, _VISITED, _BALL, _SORTED = 0.3, 2.0, 80.0, 15.0
#: volume of the 27 cells around a ball, in balls
_CELLS = 6.5


def _spread(size: int, number: int) -> Tensor:
    number = min(size, number)
    return torch.arange(number) * size // number


def hit_rate(xyz: Tensor, centers: Tensor, radius: float) -> float:
    """Share of the points that lie in a ball, from a sample that depends on the sizes alone.

    Args:
        xyz: ``(B, N, 3)``.
        centers: ``(B, M, 3)``.
        radius: Radius of the balls.
    """
    clouds = _spread(xyz.shape[0], _CLOUDS).to(xyz.device)
    points = xyz[clouds][:, _spread(xyz.shape[1], _POINTS).to(xyz.device)]
    balls = centers[clouds][:, _spread(centers.shape[1], _BALLS).to(xyz.device)]
    return float((torch.cdist(balls, points) < radius).float().mean())


def scanned_points(rate: float, num_points: int, num_neighbors: int) -> float:
    """Points that a scan reads until a ball is full."""
    return min(num_points, num_neighbors / max(rate, 1e-9))


def prefers_grid(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> bool:
    """Whether a grid of cells is faster than a scan on one core."""
    num_points, num_centers = xyz.shape[1], centers.shape[1]
    if num_points < SMALL_CLOUD:
        return False
    rate = hit_rate(xyz, centers, radius)
    scan = scanned_points(rate, num_points, num_neighbors) * _SCANNED
    grid = _BALL + _CELLS * rate * num_points * _VISITED + num_points / num_centers * _SORTED
    return grid < scan
