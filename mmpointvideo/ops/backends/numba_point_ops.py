"""Sampling, neighbours and interpolation on top of the numba kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...utils.precision import first_order
from . import hit_rate
from . import numba_grid as grid
from . import numba_kernels as kernels
from .numba_pool import as_array, run


def furthest_point_sample(xyz: Tensor, num_points: int) -> Tensor:
    idx = torch.empty(xyz.shape[0], num_points, dtype=torch.int64)
    bits = np.full(1, -1, np.int32 if xyz.dtype == torch.float32 else np.int64)
    run(
        xyz.shape[0] * xyz.shape[1] * num_points,
        kernels.furthest_points,
        as_array(xyz),
        bits,
        idx.numpy(),
    )
    return idx


furthest_point_sample.takes_lowest_index = True  # type: ignore[attr-defined]


def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
    idx = torch.empty(*centers.shape[:2], num_neighbors, dtype=torch.int64)
    rounded = idx.numpy(), as_array(centers), as_array(xyz[:0]).dtype.type(radius)
    if hit_rate.prefers_grid(xyz, centers, radius, num_neighbors):
        query_cells(as_array(xyz), *rounded)
    else:
        out, asked, r = rounded
        run(
            xyz.shape[1] * centers.shape[0] * centers.shape[1],
            kernels.first_in_ball,
            as_array(xyz.transpose(1, 2)),
            asked,
            r * r,
            out,
        )
    return idx


def query_cells(points: np.ndarray, out: np.ndarray, asked: np.ndarray, radius) -> None:
    num_batch, num_points = points.shape[:2]
    cells = (
        np.empty((num_batch, 3)),
        np.empty(num_batch),
        np.empty((num_batch, 3), np.int64),
        np.empty((num_batch, 2 * num_points + 1), np.int64),
        np.empty((num_batch, num_points), np.int64),
        np.empty_like(points),
    )
    run(points.size * 8, grid.fill_cells, points, float(radius), *cells)
    run(out.size * 32, grid.first_in_cells, asked, radius * radius, *cells, out)


def three_nn(target_xyz: Tensor, source_xyz: Tensor) -> tuple[Tensor, Tensor]:
    distance = torch.empty_like(target_xyz, memory_format=torch.contiguous_format)
    idx = torch.empty(target_xyz.shape, dtype=torch.int64)
    infinity = distance.numpy().dtype.type(np.inf)
    run(
        target_xyz.shape[0] * target_xyz.shape[1] * source_xyz.shape[1],
        kernels.nearest_three,
        as_array(target_xyz),
        as_array(source_xyz),
        infinity,
        distance.numpy(),
        idx.numpy(),
    )
    return distance.sqrt_(), idx


class ThreeInterpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(idx, weight)
        ctx.shape = features.shape
        out = features.new_empty(*features.shape[:2], idx.shape[1])
        run(
            out.numel(),
            kernels.interpolate_forward,
            as_array(features),
            as_array(idx),
            as_array(weight),
            out.numpy(),
        )
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        idx, weight = ctx.saved_tensors
        grad_features = grad.new_zeros(ctx.shape)
        run(
            grad.numel(),
            kernels.interpolate_backward,
            as_array(grad),
            as_array(idx),
            as_array(weight),
            grad_features.numpy(),
        )
        return grad_features, None, None


OPERATORS: dict[str, Callable] = {
    'furthest_point_sample': furthest_point_sample,
    'ball_query': ball_query,
    'three_nn': three_nn,
    'three_interpolate': ThreeInterpolate.apply,
}
