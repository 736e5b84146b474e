"""The reference in plain PyTorch: every device, every floating type, bounded memory.

Squared distances are ``fma(dz, dz, fma(dx, dx, dy * dy))`` as in the published CUDA kernels;
``torch.addcmul`` is a fused multiply-add wherever ATen was built for one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .base import Backend
from .hit_rate import SMALL_CLOUD, hit_rate, scanned_points
from .torch_aggregation import gather_sum, multiply_sum, pool_max, sum_displacements
from .torch_norm import frame_moments, normalize_relu
from .torch_rows import combine_rows, normalize_max, normalize_rows, row_moments

#: largest number of elements of a temporary distance table
CHUNK = 1 << 22


def squared_norm(vectors: Tensor) -> Tensor:
    """Squared length of vectors ``(..., 3)``."""
    x, y, z = vectors.unbind(-1)
    return torch.addcmul(torch.addcmul(y * y, x, x), z, z)


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances of ``a`` (..., 3) and ``b`` (..., 3), broadcast."""
    dx, dy, dz = (a[..., axis] - b[..., axis] for axis in range(3))
    return dy.mul_(dy).addcmul_(dx, dx).addcmul_(dz, dz)


def furthest_point_sample(xyz: Tensor, num_points: int) -> Tensor:
    """See :func:`mmpointvideo.ops.furthest_point_sample`; of tied points the lowest index."""
    batch = torch.arange(xyz.shape[0], device=xyz.device)
    idx = torch.zeros(xyz.shape[0], num_points, dtype=torch.int64, device=xyz.device)
    skipped = squared_norm(xyz).double() <= 1e-3
    nearest = torch.full(
        xyz.shape[:2], min(1e10, torch.finfo(xyz.dtype).max), dtype=xyz.dtype, device=xyz.device
    )
    nearest.masked_fill_(skipped, -1)
    planes = xyz.permute(2, 0, 1).contiguous()
    for step in range(1, num_points):
        last = planes[:, batch, idx[:, step - 1], None]
        dx, dy, dz = (planes - last).unbind(0)
        distance = dy.mul_(dy).addcmul_(dx, dx).addcmul_(dz, dz)
        torch.minimum(nearest, distance, out=nearest)
        idx[:, step] = nearest.argmax(1)
    return idx


furthest_point_sample.takes_lowest_index = True  # type: ignore[attr-defined]


def _hits_by_topk(hit: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor]:
    """First ``K`` true columns of ``hit`` (R, N): columns (R, K) and which are real."""
    num_points = hit.shape[1]
    column = torch.arange(num_points, device=hit.device, dtype=torch.int32)
    column = torch.where(hit, column, num_points)
    kept = min(num_neighbors, num_points)
    first = column.topk(kept, dim=1, largest=False, sorted=True).values.long()
    return first, first < num_points


def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
    """See :func:`mmpointvideo.ops.ball_query`.

    Points are scanned in growing blocks; balls that are full drop out, so a dense cloud costs
    little; where most balls stay open to the end, all points are one block. Rows are processed
    in chunks of at most ``CHUNK`` distances.
    """
    num_batch, num_points = xyz.shape[:2]
    num_centers = centers.shape[1]
    rounded = torch.tensor(radius, dtype=xyz.dtype, device=xyz.device)
    squared_radius = rounded * rounded
    rows = num_batch * num_centers
    found = torch.zeros(rows, num_neighbors, dtype=torch.int64, device=xyz.device)
    count = torch.zeros(rows, dtype=torch.int64, device=xyz.device)
    active = torch.arange(rows, device=xyz.device)
    flat_centers = centers.reshape(rows, 3)
    start, width = 0, 64
    if num_points >= SMALL_CLOUD:
        rate = hit_rate(xyz, centers, radius)
        if scanned_points(rate, num_points, num_neighbors) > num_points / 2:
            width = num_points
    while start < num_points and active.numel():
        stop = min(start + width, num_points)
        rows_at_once = max(1, CHUNK // (stop - start))
        for part in active.split(rows_at_once):
            if part.numel() == rows:
                block = xyz[:, None, start:stop]
                hit = _squared_distance(centers[:, :, None], block).flatten(0, 1) < squared_radius
            else:
                block = xyz[:, start:stop][part // num_centers]
                hit = _squared_distance(flat_centers[part, None], block) < squared_radius
            column, real = _hits_by_topk(hit, num_neighbors)
            slot = count[part, None] + torch.arange(column.shape[1], device=xyz.device)
            real &= slot < num_neighbors
            row = part[:, None].expand_as(slot)
            found[row[real], slot[real]] = column[real] + start
            count[part] = (count[part] + hit.sum(1)).clamp_(max=num_neighbors)
        active = active[count[active] < num_neighbors]
        start, width = stop, width * 2
    empty_slot = torch.arange(num_neighbors, device=xyz.device) >= count[:, None]
    found = torch.where(empty_slot, found[:, :1], found)
    return found.view(num_batch, num_centers, num_neighbors)


def gather_points(features: Tensor, idx: Tensor) -> Tensor:
    """See :func:`mmpointvideo.ops.gather_points`."""
    return features.gather(2, idx[:, None].expand(-1, features.shape[1], -1))


def group_points(features: Tensor, idx: Tensor) -> Tensor:
    """See :func:`mmpointvideo.ops.group_points`."""
    return gather_points(features, idx.flatten(1)).unflatten(2, idx.shape[1:])


def three_nn(target_xyz: Tensor, source_xyz: Tensor) -> tuple[Tensor, Tensor]:
    """See :func:`mmpointvideo.ops.three_nn`; memory is bounded by ``CHUNK`` distances."""
    num_sources = source_xyz.shape[1]
    rows_at_once = max(1, CHUNK // max(1, num_sources * target_xyz.shape[0]))
    distance = target_xyz.new_full(target_xyz.shape, float('inf'))
    idx = torch.zeros(target_xyz.shape, dtype=torch.int64, device=target_xyz.device)
    for start in range(0, target_xyz.shape[1], rows_at_once):
        part = slice(start, start + rows_at_once)
        squared = _squared_distance(target_xyz[:, part, None], source_xyz[:, None])
        for rank in range(min(3, num_sources)):
            nearest = squared.argmin(2, keepdim=True)
            idx[:, part, rank] = nearest[..., 0]
            distance[:, part, rank] = squared.gather(2, nearest)[..., 0].sqrt()
            squared.scatter_(2, nearest, float('inf'))
    return distance, idx


def three_interpolate(features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
    """See :func:`mmpointvideo.ops.three_interpolate`; no tensor over the three points."""
    parts = (gather_points(features, idx[..., j]) * weight[:, None, :, j] for j in range(3))
    return next(parts) + next(parts) + next(parts)


OPERATORS: dict[str, Callable] = {
    'furthest_point_sample': furthest_point_sample,
    'ball_query': ball_query,
    'gather_points': gather_points,
    'group_points': group_points,
    'three_nn': three_nn,
    'three_interpolate': three_interpolate,
    'multiply_sum': multiply_sum,
    'gather_sum': gather_sum,
    'pool_max': pool_max,
    'sum_displacements': sum_displacements,
    'frame_moments': frame_moments,
    'normalize_relu': normalize_relu,
    'combine_rows': combine_rows,
    'row_moments': row_moments,
    'normalize_rows': normalize_rows,
    'normalize_max': normalize_max,
}

TORCH = Backend('torch', lambda: OPERATORS)
