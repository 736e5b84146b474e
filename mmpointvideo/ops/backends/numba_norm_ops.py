"""Normalisation by frame on top of the numba kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...utils.precision import first_order
from . import numba_norm as kernels
from .numba_pool import as_array, run
from .torch_norm import by_pair, input_gradient_terms


def _slots(x: Tensor, slots: Tensor | None) -> np.ndarray:
    """Which input every tap of an output frame is; without ``slots`` the frame itself."""
    return np.arange(x.shape[1])[:, None] if slots is None else as_array(slots)


def _rows(x: Tensor, slots: np.ndarray, rows: Tensor | None) -> np.ndarray:
    """Which points every output frame holds; without ``rows`` all of them."""
    if rows is None:
        rows = torch.arange(x.shape[2]).expand(x.shape[0], len(slots), -1)
    return as_array(rows)


def frame_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    means, spreads = x.new_empty(2, x.shape[0], x.shape[1], x.shape[3])
    run(x.numel(), kernels.block_moments, as_array(x), means.numpy(), spreads.numpy())
    mean = means.mean(0)
    var = spreads.sum(0) / (x.shape[0] * x.shape[2]) + (means - mean).square().mean(0)
    return mean, var


class NormalizeReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, statistics: str, slots, rows) -> Tensor:
        ctx.save_for_backward(x, weight, bias, mean, inverse_std, slots, rows)
        ctx.statistics = statistics
        scale = weight * inverse_std
        slots = _slots(x, slots)
        rows = _rows(x, slots, rows)
        out = x.new_empty(*rows.shape, weight.shape[0])
        by_tap = (len(slots), slots.shape[1], -1)
        run(
            out.numel(),
            kernels.apply_forward,
            as_array(x),
            as_array(scale).reshape(by_tap),
            as_array(bias - mean * scale).reshape(by_tap),
            slots,
            rows,
            out.numpy().reshape(*out.shape[:3], *by_tap[1:]),
        )
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        x, weight, bias, mean, inverse_std, taps, rows = ctx.saved_tensors
        scale = weight * inverse_std
        shift = bias - mean * scale
        slots = _slots(x, taps)
        rows = _rows(x, slots, rows)
        by_tap = (len(slots), slots.shape[1], -1)
        given = as_array(grad).reshape(*grad.shape[:3], *by_tap[1:])
        arrays = (given, as_array(x), *(as_array(y).reshape(by_tap) for y in (scale, shift)))
        blocks = x.new_empty(2, x.shape[0], len(slots), weight.shape[0])
        run(
            grad.numel(),
            kernels.block_gradient_sums,
            *arrays,
            as_array(mean).reshape(by_tap),
            slots,
            rows,
            blocks.numpy().reshape(*blocks.shape[:2], *by_tap),
        )
        sums = blocks.sum(1)
        if ctx.statistics == 'fixed':
            slope = level = x.new_zeros(x.shape[1], x.shape[3])
        else:
            slope, level = input_gradient_terms(
                scale, mean, inverse_std, sums, x.shape[0] * x.shape[2], ctx.statistics
            )
            if taps is not None:
                slope, level = (by_pair(v, taps, x.shape[1]) for v in (slope, level))
        grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        run(
            x.numel() + grad.numel(),
            kernels.apply_backward,
            *arrays,
            as_array(slope),
            as_array(level),
            slots,
            rows,
            grad_x.numpy(),
        )
        return grad_x, (sums[1] * inverse_std).sum(0), sums[0].sum(0), *[None] * 5


def normalize_relu(x, weight, bias, mean, inverse_std, statistics, slots=None, rows=None) -> Tensor:
    return NormalizeReLU.apply(x, weight, bias, mean, inverse_std, statistics, slots, rows)


OPERATORS: dict[str, Callable] = {
    'frame_moments': frame_moments,
    'normalize_relu': normalize_relu,
}
