"""The aggregations of point tubes on top of the numba kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...utils.precision import first_order
from . import numba_aggregation as kernels
from .numba_pool import as_array, run

_MODES = {'none': 0, 'multiplication': 1, 'addition': 2}


def _uses(frames: Tensor, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Which (anchor, tap) pairs read each frame: positions in ``frames``, and offsets."""
    flat = frames.flatten()
    order = torch.argsort(flat, stable=True)[int((flat < 0).sum()) :]
    counts = torch.bincount(flat[flat >= 0], minlength=num_frames)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return order.numpy(), offsets.numpy()


class MultiplySum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, g, weight, xyz, centers, idx, frames) -> Tensor:
        ctx.save_for_backward(g, weight, xyz, centers, idx, frames)
        out = g.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], g.shape[2])
        run(
            idx.numel() * g.shape[2],
            kernels.multiply_sum_forward,
            as_array(g),
            as_array(weight.t()),
            as_array(xyz),
            as_array(centers),
            as_array(idx),
            as_array(frames),
            out.numpy(),
        )
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        g, weight, xyz, centers, idx, frames = ctx.saved_tensors
        grad_g = torch.empty_like(g, memory_format=torch.contiguous_format)
        grad_weight = g.new_zeros(g.shape[0], 3, g.shape[2])
        run(
            idx.numel() * g.shape[2],
            kernels.multiply_sum_backward,
            as_array(grad).reshape(-1, g.shape[2]),
            as_array(g),
            as_array(weight.t()),
            as_array(xyz),
            as_array(centers),
            as_array(idx),
            *_uses(frames, g.shape[0]),
            grad_g.numpy(),
            grad_weight.numpy(),
        )
        return grad_g, grad_weight.sum(0).t(), None, None, None, None


class GatherSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, g, idx, frames) -> Tensor:
        ctx.save_for_backward(idx, frames)
        ctx.shape = g.shape
        out = g.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], g.shape[2])
        run(
            idx.numel() * g.shape[2],
            kernels.gather_sum_forward,
            as_array(g),
            as_array(idx),
            as_array(frames),
            out.numpy(),
        )
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        idx, frames = ctx.saved_tensors
        grad_g = grad.new_zeros(ctx.shape)
        run(
            idx.numel() * ctx.shape[2],
            kernels.gather_sum_backward,
            as_array(grad),
            as_array(idx),
            *_uses(frames, ctx.shape[0]),
            grad_g.numpy(),
        )
        return grad_g, None, None


class PoolMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, g, weight, xyz, centers, idx, frames, aggregation: str) -> Tensor:
        channels = weight.shape[0]
        mode = _MODES[aggregation]
        source = xyz.new_empty(0, 0, channels) if g is None else g
        out = xyz.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], channels)
        chosen = torch.empty(out.shape, dtype=torch.int32)
        run(
            idx.numel() * channels,
            kernels.pool_max_forward,
            as_array(source),
            as_array(weight.t()),
            as_array(xyz),
            as_array(centers),
            as_array(idx),
            as_array(frames),
            mode,
            out.numpy(),
            chosen.numpy(),
        )
        if idx.shape[3] <= 128:
            chosen = chosen.to(torch.int8)
        ctx.save_for_backward(source, weight, xyz, centers, idx, frames, chosen)
        ctx.mode = mode
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        source, weight, xyz, centers, idx, frames, chosen = ctx.saved_tensors
        grad_g = torch.zeros_like(source, memory_format=torch.contiguous_format)
        grad_weight = grad.new_zeros(xyz.shape[0], 3, weight.shape[0])
        run(
            grad.numel() * 4,
            kernels.pool_max_backward,
            as_array(grad),
            as_array(source),
            as_array(weight.t()),
            as_array(xyz),
            as_array(centers),
            as_array(idx),
            as_array(chosen.int()),
            *_uses(frames, xyz.shape[0]),
            ctx.mode,
            grad_g.numpy(),
            grad_weight.numpy(),
        )
        result = None if ctx.mode == 0 else grad_g
        return result, grad_weight.sum(0).t(), None, None, None, None, None


def sum_displacements(xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor) -> Tensor:
    out = xyz.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], 3)
    run(
        idx.numel() * 3,
        kernels.sum_displacements,
        as_array(xyz),
        as_array(centers),
        as_array(idx),
        as_array(frames),
        out.numpy(),
    )
    return out


OPERATORS: dict[str, Callable] = {
    'multiply_sum': MultiplySum.apply,
    'gather_sum': GatherSum.apply,
    'pool_max': PoolMax.apply,
    'sum_displacements': sum_displacements,
}
