"""Layers over the rows of tubes in plain PyTorch; see :mod:`mmpointvideo.ops.tube_rows`.

Everywhere ``(1 or P, C)`` stands for one row of values for all pairs or one for each.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...utils.precision import first_order
from ..tube_rows import TubeRows


def combine_rows(
    features: Tensor | None,
    feature_scale: Tensor,
    feature_shift: Tensor,
    displacement_map: Tensor,
    displacement_shift: Tensor,
    rows: TubeRows,
    multiply: bool,
    relu: bool,
) -> Tensor:
    """Combine every row's feature with its displacement, both after an affine map.

    Args:
        features: ``(S, C)``, read at ``rows.source``; None: displacements only.
        feature_scale: ``(P, C)``.
        feature_shift: ``(P, C)``.
        displacement_map: ``(P, 3, C)``.
        displacement_shift: ``(P, C)``.
        rows: The rows.
        multiply: Multiply instead of adding.
        relu: Clip both at zero before.

    Returns:
        ``(R, C)``. Nothing of this size is kept for backward.
    """

    def combine(features, feature_scale, feature_shift, displacement_map, displacement_shift):
        value = rows.expand_pairs(displacement_shift)
        for axis in range(3):
            part = rows.expand_pairs(displacement_map[:, axis])
            value = torch.addcmul(value, rows.displacement[:, axis, None], part)
        value = value.relu() if relu else value
        if features is None:
            return value
        feature = features.index_select(0, rows.source)
        feature = feature * rows.expand_pairs(feature_scale) + rows.expand_pairs(feature_shift)
        feature = feature.relu() if relu else feature
        return feature * value if multiply else feature + value

    return checkpoint(
        combine,
        features,
        feature_scale,
        feature_shift,
        displacement_map,
        displacement_shift,
        use_reentrant=False,
        preserve_rng_state=False,
    )


def row_moments(x: Tensor, rows: TubeRows) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the rows ``(R, C)`` of every pair: twice ``(P, C)``."""
    mean = rows.sum_by_pair(x) / rows.count
    return mean, rows.sum_by_pair((x - rows.expand_pairs(mean)).square_()) / rows.count


def statistics_terms(
    scale: Tensor, mean: Tensor, inverse_std: Tensor, sums: Tensor, rows: TubeRows, statistics: str
) -> tuple[Tensor, Tensor]:
    """The gradient through the statistics, for each time a row counts: ``slope * x + level``.

    Args:
        scale: ``(1 or P, C)``, the weight times ``inverse_std``.
        mean: ``(1 or P, C)``.
        inverse_std: ``(1 or P, C)``.
        sums: Over a pair's rows, of g and of g * (x - mean), ``(2, P, C)``.
        rows: The rows.
        statistics: ``'frame'``, ``'joint'`` or ``'fixed'``.
    """
    if statistics == 'fixed':
        return torch.zeros_like(scale), torch.zeros_like(scale)
    count = rows.count
    if statistics == 'joint':
        count *= rows.num_pairs
        sums = sums.sum(1, keepdim=True)
    slope = -scale * inverse_std.square() * sums[1] / count
    return slope, -scale * sums[0] / count - slope * mean


def _weighted(rows: TubeRows, x: Tensor) -> Tensor:
    return x if rows.weight is None else x * rows.weight[:, None]


def _unweighted_sums(rows: TubeRows, x: Tensor) -> Tensor:
    """Sum rows by pair, each once."""
    if rows.weight is None:
        return rows.sum_by_pair(x)
    x = torch.segment_reduce(x, 'sum', offsets=rows.offsets, axis=0)
    return x.view(rows.num_batch, rows.num_pairs, -1, x.shape[1]).sum(2).sum(0)


class _NormalizeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, rows, statistics, relu):
        ctx.save_for_backward(x, weight, bias, mean, inverse_std)
        ctx.rows, ctx.statistics, ctx.relu = rows, statistics, relu
        scale = weight * inverse_std
        shift = bias - mean * scale
        out = torch.addcmul(rows.expand_pairs(shift), x, rows.expand_pairs(scale))
        return out.relu_() if relu else out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        x, weight, bias, mean, inverse_std = ctx.saved_tensors
        rows = ctx.rows
        scale = weight * inverse_std
        row_scale = rows.expand_pairs(scale)
        if ctx.relu:
            shift = rows.expand_pairs(bias - mean * scale)
            grad = grad * (torch.addcmul(shift, x, row_scale) > 0)
        centered = x - rows.expand_pairs(mean)
        sums = torch.stack(
            [_unweighted_sums(rows, grad), _unweighted_sums(rows, centered.mul_(grad))]
        )
        slope, level = statistics_terms(scale, mean, inverse_std, sums, rows, ctx.statistics)
        grad_x = grad * row_scale
        if ctx.statistics != 'fixed':
            through = torch.addcmul(rows.expand_pairs(level), x, rows.expand_pairs(slope))
            grad_x += _weighted(rows, through)
        return grad_x, (sums[1] * inverse_std).sum(0), sums[0].sum(0), *[None] * 5


def normalize_rows(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    rows: TubeRows,
    statistics: str,
    relu: bool,
) -> Tensor:
    """``(x - mean) * inverse_std * weight + bias``, clipped at zero; keeps x for backward.

    Args:
        x: ``(R, C)``.
        weight: ``(C,)``.
        bias: ``(C,)``.
        mean: ``(1 or P, C)``.
        inverse_std: ``(1 or P, C)``.
        rows: The rows.
        statistics: Where mean and deviation come from: ``'frame'`` and ``'joint'`` are moments
            of x (the gradient passes through them), ``'fixed'`` constants.
        relu: Clip at zero.
    """
    return _NormalizeRows.apply(x, weight, bias, mean, inverse_std, rows, statistics, relu)


class _NormalizeMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, rows, statistics, relu):
        scale = weight * inverse_std
        shift = bias - mean * scale
        value = torch.addcmul(rows.expand_pairs(shift), x, rows.expand_pairs(scale))
        if rows.weight is None:
            best, slot = value.view(-1, rows.num_neighbors, x.shape[1]).max(1)
            chosen = slot + rows.offsets[:-1, None]
        else:
            anchor = rows.anchor_of_rows()
            best = torch.segment_reduce(value, 'max', offsets=rows.offsets, axis=0)
            row = torch.arange(len(x), device=x.device)[:, None]
            row = torch.where(value == best[anchor], row, len(x) - 1)
            chosen = torch.full(best.shape, len(x) - 1, device=x.device)
            chosen.scatter_reduce_(0, anchor[:, None].expand_as(row), row, 'amin')
        out = best.relu_() if relu else best
        ctx.save_for_backward(x, weight, bias, mean, inverse_std, chosen, out)
        ctx.rows, ctx.statistics, ctx.relu = rows, statistics, relu
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        x, weight, bias, mean, inverse_std, chosen, out = ctx.saved_tensors
        rows = ctx.rows
        scale = weight * inverse_std
        shape = (rows.num_batch, rows.num_pairs, rows.num_anchors, x.shape[1])
        grad = grad * (out > 0) if ctx.relu else grad
        by_pair = grad.view(shape)
        centered = x.gather(0, chosen).view(shape) - mean[:, None]
        sums = torch.stack([by_pair.sum(2).sum(0), centered.mul_(by_pair).sum(2).sum(0)])
        slope, level = statistics_terms(scale, mean, inverse_std, sums, rows, ctx.statistics)
        if ctx.statistics == 'fixed':
            grad_x = torch.zeros_like(x)
        else:
            grad_x = torch.addcmul(rows.expand_pairs(level), x, rows.expand_pairs(slope))
            grad_x = _weighted(rows, grad_x)
        direct = (by_pair * scale[:, None]).view_as(grad)
        grad_x.scatter_add_(0, chosen, direct)
        return grad_x, (sums[1] * inverse_std).sum(0), sums[0].sum(0), *[None] * 5


def normalize_max(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    rows: TubeRows,
    statistics: str,
    relu: bool,
) -> Tensor:
    """:func:`normalize_rows`, then the maximum over every anchor's rows: ``(B * P * M, C)``."""
    return _NormalizeMax.apply(x, weight, bias, mean, inverse_std, rows, statistics, relu)
