"""Adapters to ``pointnet2_ops``, the CUDA kernels that the published numbers rest on.

Never built or tested by the project itself. They take float32 and contiguous tensors and return
int32 indices. Importing the package without its compiled part starts a build and ends in an
OSError, so the compiled file is looked for first.
"""

from __future__ import annotations

import glob
import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor

from .base import Backend, BackendUnavailable


def _load() -> dict[str, Callable]:
    if not torch.cuda.is_available():
        raise BackendUnavailable('pointnet2_ops has CUDA kernels only and no CUDA device is here')
    spec = importlib.util.find_spec('pointnet2_ops')
    if spec is None or spec.submodule_search_locations is None:
        raise BackendUnavailable(
            'pointnet2_ops is not installed: pip install --no-build-isolation '
            '-r requirements/pointnet2.txt'
        )
    folders = list(spec.submodule_search_locations)
    if not any(glob.glob(os.path.join(folder, '_ext*.so')) for folder in folders):
        raise BackendUnavailable(f'pointnet2_ops in {folders} lacks its compiled part _ext*.so')
    try:
        from pointnet2_ops import pointnet2_utils as kernels
    except Exception as error:
        raise BackendUnavailable(f'pointnet2_ops cannot be imported: {error}') from error

    def furthest_point_sample(xyz: Tensor, num_points: int) -> Tensor:
        return kernels.furthest_point_sample(xyz.contiguous(), num_points).long()

    furthest_point_sample.has_published_ties = True  # type: ignore[attr-defined]

    def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
        return kernels.ball_query(
            radius, num_neighbors, xyz.contiguous(), centers.contiguous()
        ).long()

    def gather_points(features: Tensor, idx: Tensor) -> Tensor:
        return kernels.gather_operation(features.contiguous(), idx.int().contiguous())

    def group_points(features: Tensor, idx: Tensor) -> Tensor:
        return kernels.grouping_operation(features.contiguous(), idx.int().contiguous())

    def three_nn(target_xyz: Tensor, source_xyz: Tensor) -> tuple[Tensor, Tensor]:
        distance, idx = kernels.three_nn(target_xyz.contiguous(), source_xyz.contiguous())
        return distance.detach(), idx.long()

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


POINTNET2 = Backend('pointnet2_ops', _load, device_type='cuda', dtypes=(torch.float32,))
