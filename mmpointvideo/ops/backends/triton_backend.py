"""CUDA operators of this project, compiled by Triton on first use.

Triton comes with PyTorch's CUDA builds. Results are those of the other backends: the same
indices to the bit (of tied points furthest point sampling takes the lowest index), sums up to
float rounding, the same bits in every run.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...utils.precision import first_order
from .base import Backend, BackendUnavailable
from .torch_backend import OPERATORS, squared_norm

#: largest cloud that one program samples; larger ones are sampled in PyTorch
MOST_POINTS = 16384
#: largest cloud whose coordinates fit into its registers (seen in what ptxas reports for sm_90)
_POINTS_IN_REGISTERS = 8192
#: points whose gradients one program sums
_POINTS = 32


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def _readers(idx: Tensor, frames: Tensor, num_frames: int, num_points: int) -> tuple:
    """Entries of ``idx`` (A, S, M, K) sorted by the point that they read, and offsets."""
    rows = num_frames * num_points
    key = idx + frames[:, :, None, None] * num_points
    key = torch.where(frames[:, :, None, None] < 0, rows, key).flatten()
    key, order = key.int().sort(stable=True)
    bounds = torch.arange(rows + 1, device=idx.device, dtype=torch.int32)
    return order, torch.searchsorted(key, bounds)


def operators() -> dict[str, Callable]:
    """The operators; needs Triton, and a GPU or its interpreter (``TRITON_INTERPRET=1``)."""
    from . import triton_kernels as kernels

    def furthest_point_sample(xyz: Tensor, num_points: int) -> Tensor:
        num_batch, size = xyz.shape[:2]
        if size > MOST_POINTS:
            return OPERATORS['furthest_point_sample'](xyz, num_points)
        nearest = xyz.new_full(xyz.shape[:2], min(1e10, torch.finfo(xyz.dtype).max))
        nearest.masked_fill_(squared_norm(xyz).double() <= 1e-3, -1)
        out = torch.empty(num_batch, num_points, dtype=torch.int64, device=xyz.device)
        block = _power_of_two(size)
        with torch.cuda.device_of(xyz):
            kernels.furthest_points[(num_batch,)](
                xyz.transpose(1, 2).contiguous(),
                nearest,
                out,
                size,
                num_points,
                BLOCK=block,
                RELOAD=block > _POINTS_IN_REGISTERS,
                num_warps=min(16, max(4, block // 512)),
            )
        return out

    furthest_point_sample.takes_lowest_index = True  # type: ignore[attr-defined]

    def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
        num_batch, num_centers = centers.shape[:2]
        rounded = torch.tensor(radius, dtype=torch.float32)
        out = torch.empty(
            num_batch, num_centers, num_neighbors, dtype=torch.int64, device=xyz.device
        )
        rows = 8
        with torch.cuda.device_of(xyz):
            kernels.first_in_ball[(-(-num_centers // rows), num_batch)](
                xyz.transpose(1, 2).contiguous(),
                centers.contiguous(),
                float(rounded * rounded),
                out,
                xyz.shape[1],
                num_centers,
                num_neighbors,
                ROWS=rows,
                BLOCK=128,
            )
        return out

    def forward(g, weight, xyz, centers, idx, frames, multiply: bool) -> Tensor:
        num_anchors, num_taps, num_centers, num_neighbors = idx.shape
        channels = g.shape[2]
        out = g.new_empty(num_anchors, num_centers, num_taps, channels)
        rows, block = 8, min(128, max(16, _power_of_two(channels)))
        grid = (num_anchors * num_taps, -(-num_centers // rows), -(-channels // block))
        with torch.cuda.device_of(g):
            kernels.sum_neighbors[grid](
                g.contiguous(),
                weight.contiguous(),
                xyz.contiguous(),
                centers.contiguous(),
                idx.contiguous(),
                frames.contiguous(),
                out,
                num_taps,
                num_centers,
                num_neighbors,
                g.shape[1],
                channels,
                MULTIPLY=multiply,
                ROWS=rows,
                BLOCK=block,
            )
        return out

    def backward(
        grad, g, weight, xyz, centers, idx, frames, shape: torch.Size, multiply: bool
    ) -> tuple[Tensor, Tensor]:
        num_frames, num_points, channels = shape
        order, offsets = _readers(idx, frames, num_frames, num_points)
        grad_g = grad.new_empty(shape)
        programs = -(-num_frames * num_points // _POINTS)
        partial = grad.new_empty(programs if multiply else 0, 3, channels)
        block = min(128, max(16, _power_of_two(channels)))
        with torch.cuda.device_of(grad):
            kernels.sum_neighbors_backward[(programs, -(-channels // block))](
                grad.contiguous(),
                g.contiguous(),
                weight.contiguous(),
                xyz.contiguous(),
                centers.contiguous(),
                order,
                offsets,
                grad_g,
                partial,
                *idx.shape[1:],
                num_frames * num_points,
                channels,
                MULTIPLY=multiply,
                POINTS=_POINTS,
                BLOCK=block,
            )
        return grad_g, partial.sum(0).t()

    class MultiplySum(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, weight, xyz, centers, idx, frames) -> Tensor:
            ctx.save_for_backward(g, weight, xyz, centers, idx, frames)
            return forward(g, weight, xyz, centers, idx, frames, True)

        @staticmethod
        @first_order
        def backward(ctx, grad: Tensor):
            g, weight, xyz, centers, idx, frames = ctx.saved_tensors
            found = backward(grad, g, weight, xyz, centers, idx, frames, g.shape, True)
            return *found, None, None, None, None

    class GatherSum(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, idx, frames) -> Tensor:
            ctx.save_for_backward(idx, frames)
            ctx.shape = g.shape
            # what is not multiplied by is not read
            return forward(g, g, g, g, idx, frames, False)

        @staticmethod
        @first_order
        def backward(ctx, grad: Tensor):
            idx, frames = ctx.saved_tensors
            found = backward(grad, grad, grad, grad, grad, idx, frames, ctx.shape, False)
            return found[0], None, None

    return {
        'furthest_point_sample': furthest_point_sample,
        'ball_query': ball_query,
        'multiply_sum': MultiplySum.apply,
        'gather_sum': GatherSum.apply,
    }


def _load() -> dict[str, Callable]:
    if not torch.cuda.is_available():
        raise BackendUnavailable('the Triton kernels need a CUDA device and none is here')
    try:
        return operators()
    except ImportError as error:
        raise BackendUnavailable(
            f'triton cannot be imported ({error}): pip install triton'
        ) from error


TRITON = Backend('triton', _load, device_type='cuda', dtypes=(torch.float32,))
