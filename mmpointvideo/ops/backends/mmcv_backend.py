"""Adapters to ``mmcv.ops`` (CUDA only; ``mmcv-lite`` has no operators).

Differences from the semantics of this project, and what is done about them: its furthest point
sampling chooses points near the origin too, so clouds that contain such points go to PyTorch;
its order among equally far points is its own (any is right). Never built or tested by the
project itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .base import Backend, BackendUnavailable


def _load() -> dict[str, Callable]:
    if not torch.cuda.is_available():
        raise BackendUnavailable('mmcv.ops has CUDA kernels only and no CUDA device is here')
    try:
        from mmcv import ops as kernels
    except Exception as error:
        raise BackendUnavailable(
            f'mmcv.ops cannot be imported ({error}): it needs the full mmcv, built with CUDA; '
            'mmcv-lite has no operators'
        ) from error

    from .torch_backend import OPERATORS, squared_norm

    def furthest_point_sample(xyz: Tensor, num_points: int) -> Tensor:
        if bool((squared_norm(xyz).double() <= 1e-3).any()):
            return OPERATORS['furthest_point_sample'](xyz, num_points)
        return kernels.furthest_point_sample(xyz.contiguous(), num_points).long()

    def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
        return kernels.ball_query(
            0, radius, num_neighbors, xyz.contiguous(), centers.contiguous()
        ).long()

    def gather_points(features: Tensor, idx: Tensor) -> Tensor:
        return kernels.gather_points(features.contiguous(), idx.int().contiguous())

    def group_points(features: Tensor, idx: Tensor) -> Tensor:
        return kernels.grouping_operation(features.contiguous(), idx.int().contiguous())

    def three_nn(target_xyz: Tensor, source_xyz: Tensor) -> tuple[Tensor, Tensor]:
        distance, idx = kernels.three_nn(target_xyz.contiguous(), source_xyz.contiguous())
        return distance, idx.long()

    def three_interpolate(features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
        return kernels.three_interpolate(
            features.contiguous(), idx.int().contiguous(), weight.contiguous()
        )

    return {
        'furthest_point_sample': furthest_point_sample,
        'ball_query': ball_query,
        'gather_points': gather_points,
        'group_points': group_points,
        'three_nn': three_nn,
        'three_interpolate': three_interpolate,
    }


MMCV = Backend('mmcv', _load, device_type='cuda', dtypes=(torch.float32,))
