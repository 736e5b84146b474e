"""Per-frame statistics and normalisation with ReLU in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def frame_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over batch and points of every frame.

    Args:
        x: ``(B, L, M, C)``.

    Returns:
        Two tensors ``(L, C)``.
    """
    count = x.shape[0] * x.shape[2]
    mean = x.sum(2).sum(0) / count
    centered = x - mean[:, None]
    return mean, centered.square_().sum(2).sum(0) / count


def input_gradient_terms(
    scale: Tensor, mean: Tensor, inverse_std: Tensor, sums: Tensor, count: int, statistics: str
) -> tuple[Tensor, Tensor]:
    """The part of the gradient through the statistics, as ``slope * x + offset``.

    With ``sums[0] = sum of g`` and ``sums[1] = sum of g * (x - mean)``, ``(2, L, C)``, over the
    ``count`` values of a frame (g: gradient after ReLU), the gradient of x is
    ``scale * (g - sums[0] / n - (x - mean) * inverse_std^2 * sums[1] / n)``.
    """
    if statistics == 'joint':
        count *= sums.shape[1]
        sums = sums.sum(1, keepdim=True)
    slope = -scale * inverse_std.square() * sums[1] / count
    return slope, -scale * sums[0] / count - slope * mean


def _to_slots(x: Tensor, slots: Tensor | None) -> Tensor:
    """Every tap's copy of its pair: ``(B, P, M, C)`` to ``(B, L, M, S * C)``."""
    if slots is None:
        return x
    return x[:, slots.flatten()].unflatten(1, slots.shape).transpose(2, 3).flatten(3)


def _from_slots(x: Tensor, slots: Tensor | None, num_pairs: int) -> Tensor:
    """Transpose of :func:`_to_slots`: taps that share a pair are summed."""
    if slots is None:
        return x
    x = x.unflatten(3, (slots.shape[1], -1)).transpose(2, 3).flatten(1, 2)
    out = x.new_zeros(x.shape[0], num_pairs, *x.shape[2:])
    return out.index_add_(1, slots.flatten(), x)


class _NormalizeReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, statistics: str, slots) -> Tensor:
        ctx.save_for_backward(x, weight, bias, mean, inverse_std, slots)
        ctx.statistics = statistics
        scale = weight * inverse_std
        shift = bias - mean * scale
        return torch.addcmul(shift[:, None], _to_slots(x, slots), scale[:, None]).relu_()

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight, bias, mean, inverse_std, slots = ctx.saved_tensors
        num_pairs = x.shape[1]
        x = _to_slots(x, slots)
        scale = weight * inverse_std
        shift = bias - mean * scale
        positive = torch.addcmul(shift[:, None], x, scale[:, None]) > 0
        grad = grad * positive
        centered = x - mean[:, None]
        sums = torch.stack([grad.sum(2).sum(0), centered.mul_(grad).sum(2).sum(0)])
        grad_bias, grad_weight = sums[0].sum(0), (sums[1] * inverse_std).sum(0)
        grad_x = grad.mul_(scale[:, None])
        if ctx.statistics != 'fixed':
            slope, offset = input_gradient_terms(
                scale, mean, inverse_std, sums, x.shape[0] * x.shape[2], ctx.statistics
            )
            grad_x.addcmul_(x, slope[:, None]).add_(offset[:, None])
        return _from_slots(grad_x, slots, num_pairs), grad_weight, grad_bias, *[None] * 4


def normalize_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    statistics: str,
    slots: Tensor | None = None,
) -> Tensor:
    """``relu((x - mean) * inverse_std * weight + bias)``; keeps nothing but x for backward.

    Args:
        x: ``(B, L, M, C)``; with ``slots`` ``(B, P, M, C / S)``.
        weight: ``(C,)``.
        bias: ``(C,)``.
        mean: ``(L, C)``.
        inverse_std: ``(L, C)``.
        statistics: Where mean and deviation come from: ``'frame'`` and ``'joint'`` are
            :func:`frame_moments` of x (the gradient passes through them), ``'fixed'`` constants.
        slots: ``(L, S)`` int64, on the device of x: the channels of an output frame are those
            of S of the P inputs, side by side; every input is used at least once.

    Returns:
        ``(B, L, M, C)``.
    """
    return _NormalizeReLU.apply(x, weight, bias, mean, inverse_std, statistics, slots)
