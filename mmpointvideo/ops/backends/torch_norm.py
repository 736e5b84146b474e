"""Per-frame statistics and normalisation with ReLU in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from ...utils.precision import first_order


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


def tap_rows(x: Tensor, slots: Tensor | None, rows: Tensor | None) -> Tensor | None:
    """The row of ``x.flatten(0, 2)`` that every tap of every output point reads.

    Args:
        x: ``(B, P, M, C)``.
        slots: ``(L, S)`` int64, or None for L = P and S = 1.
        rows: ``(B, L, R)`` int64, or None for all M.

    Returns:
        ``(B, L, R, S)`` int64; None where that is every row in order.
    """
    if slots is None and rows is None:
        return None
    batch, pairs, points = x.shape[:3]
    if slots is None:
        slots = torch.arange(pairs, device=x.device)[:, None]
    if rows is None:
        rows = torch.arange(points, device=x.device).expand(batch, len(slots), -1)
    first = torch.arange(batch, device=x.device)[:, None, None] * pairs + slots
    return first[:, :, None] * points + rows[..., None]


class _NormalizeReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, statistics: str, slots, rows) -> Tensor:
        ctx.save_for_backward(x, weight, bias, mean, inverse_std, slots, rows)
        ctx.statistics = statistics
        scale = weight * inverse_std
        shift = bias - mean * scale
        values = _read(x, tap_rows(x, slots, rows))
        return torch.addcmul(shift[:, None], values, scale[:, None]).relu_()

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        x, weight, bias, mean, inverse_std, slots, rows = ctx.saved_tensors
        index = tap_rows(x, slots, rows)
        values = _read(x, index)
        scale = weight * inverse_std
        shift = bias - mean * scale
        grad = grad * (torch.addcmul(shift[:, None], values, scale[:, None]) > 0)
        moments = (values - mean[:, None]).mul_(grad)
        sums = torch.stack([grad.sum(2).sum(0), moments.sum(2).sum(0)])
        del moments, values
        grad_bias, grad_weight = sums[0].sum(0), (sums[1] * inverse_std).sum(0)
        through = grad.mul_(scale[:, None])
        if ctx.statistics == 'fixed':
            grad_x = through if index is None else torch.zeros_like(x)
        else:
            slope, level = input_gradient_terms(
                scale, mean, inverse_std, sums, x.shape[0] * x.shape[2], ctx.statistics
            )
            if slots is not None:
                slope, level = by_pair(slope, slots, x.shape[1]), by_pair(level, slots, x.shape[1])
            grad_x = torch.addcmul(level[:, None], x, slope[:, None])
            if index is None:
                grad_x += through
        if index is not None:
            grad_x.view(-1, x.shape[3]).index_add_(0, index.flatten(), through.view(-1, x.shape[3]))
        return grad_x, grad_weight, grad_bias, *[None] * 5


def _read(x: Tensor, index: Tensor | None) -> Tensor:
    """``x`` (B, P, M, C) at ``index`` (B, L, R, S): ``(B, L, R, S * C)``."""
    if index is None:
        return x
    return x.flatten(0, 2).index_select(0, index.flatten()).view(*index.shape[:3], -1)


def by_pair(values: Tensor, slots: Tensor, num_pairs: int) -> Tensor:
    """Sum ``values`` (L, S * C) over the taps (l, s) of every pair: ``(P, C)``."""
    values = values.unflatten(1, (slots.shape[1], -1)).flatten(0, 1)
    return values.new_zeros(num_pairs, values.shape[1]).index_add_(0, slots.flatten(), values)


def normalize_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    statistics: str,
    slots: Tensor | None = None,
    rows: Tensor | None = None,
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
        rows: ``(B, L, R)`` int64, on the device of x: the points that are asked for.

    Returns:
        ``(B, L, M, C)``, or with ``rows`` ``(B, L, R, C)``.
    """
    return _NormalizeReLU.apply(x, weight, bias, mean, inverse_std, statistics, slots, rows)
