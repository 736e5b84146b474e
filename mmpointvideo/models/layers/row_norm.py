"""Batch normalisation over the rows of tubes, with the statistics of every pair of frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ...ops.dispatch import resolve
from ...ops.tube_rows import TubeRows
from ...utils.dist import reduce_sum
from .running_averages import update_running_averages
from .sync_batch_norm import is_synchronized, sync_normalize


def normalization(
    norm: Any,
    moments: Callable[[], tuple[Tensor, Tensor]],
    count: int,
    statistics: str,
) -> tuple[Tensor, Tensor, str]:
    """What a batch normalisation subtracts and divides by; updates its running averages.

    Args:
        norm: An ``nn.BatchNorm1d``.
        moments: Gives mean and biased variance of every pair, twice ``(P, C)``.
        count: Number of values of a pair.
        statistics: ``'frame'`` or ``'joint'``.

    Returns:
        Mean and reciprocal of the deviation, ``(1 or P, C)``, and how they came about:
        ``statistics``, or ``'fixed'`` for running averages.

    Raises:
        TypeError: If ``norm`` is PyTorch's ``SyncBatchNorm`` in training.
        ValueError: If there is only one value per channel.
    """
    if not (norm.training or norm.running_mean is None):
        mean, var = norm.running_mean[None], norm.running_var[None]
        return mean, (var + norm.eps).rsqrt(), 'fixed'
    if isinstance(norm, nn.SyncBatchNorm):
        raise TypeError(
            'P4DConv knows SyncFrameBatchNorm (sync_bn of a config that tools/train.py starts), '
            "got PyTorch's SyncBatchNorm"
        )
    mean, var = moments()
    if statistics == 'joint':
        count *= len(mean)
        joint = mean.mean(0, keepdim=True)
        var = var.mean(0, keepdim=True) + (mean - joint).square().mean(0, keepdim=True)
        mean = joint
    if is_synchronized(norm):
        number = reduce_sum(mean.new_tensor(float(count)))
        everywhere = reduce_sum(mean * count) / number
        var = reduce_sum((var + (mean - everywhere).square()) * count) / number
        mean, count = everywhere, round(float(number))
    if count == 1:
        raise ValueError(
            'expected more than one value per channel in training, got one: enlarge the batch '
            'or call eval()'
        )
    if norm.training:
        update_running_averages(norm, mean.detach(), var.detach(), count)
    return mean, (var + norm.eps).rsqrt(), statistics


def _normalize(
    op: str, x: Tensor, rows: TubeRows, norm: nn.Module | None, statistics: str, relu: bool
) -> Tensor:
    if norm is None:
        one, zero = x.new_ones(x.shape[1]), x.new_zeros(x.shape[1])
        return resolve(op, x)(x, one, zero, zero[None], one[None], rows, 'fixed', relu)
    if is_synchronized(norm):
        x = _sync_normalize(x, rows, norm, statistics)
        return _normalize(op, x, rows, None, statistics, relu)
    with torch.no_grad():
        mean, inverse_std, kind = normalization(
            norm, lambda: resolve('row_moments', x)(x, rows), rows.count, statistics
        )
    return resolve(op, x)(x, norm.weight, norm.bias, mean, inverse_std, rows, kind, relu)


def _sync_normalize(x: Tensor, rows: TubeRows, norm: Any, statistics: str) -> Tensor:
    """Normalise rows with the statistics of all processes."""
    anchor = rows.anchor_of_rows()
    pair = (anchor // rows.num_anchors) % rows.num_pairs
    if statistics == 'joint':
        pair = torch.zeros_like(pair)
    groups = 1 if statistics == 'joint' else rows.num_pairs

    def group_sum(values: Tensor) -> Tensor:
        return values.new_zeros(groups, values.shape[1]).index_add_(0, pair, values)

    weight = None if rows.weight is None else rows.weight[:, None].to(x.dtype)
    return sync_normalize(x, norm, group_sum, lambda sums: sums[pair], weight)


def row_norm(
    x: Tensor, rows: TubeRows, norm: nn.Module | None, statistics: str, relu: bool
) -> Tensor:
    """Normalise rows and clip them at zero.

    Args:
        x: ``(R, C)``.
        rows: The rows; their multiplicities weight the statistics.
        norm: An ``nn.BatchNorm1d`` over C channels, or None.
        statistics: In training ``'frame'`` (each pair of frames on its own) or ``'joint'``.
        relu: Clip at zero.

    Returns:
        ``(R, C)``.
    """
    if norm is None:
        return x.relu() if relu else x
    return _normalize('normalize_rows', x, rows, norm, statistics, relu)


def row_norm_max(
    x: Tensor, rows: TubeRows, norm: nn.Module | None, statistics: str, relu: bool
) -> Tensor:
    """:func:`row_norm`, then the maximum over the neighbours of every anchor.

    Returns:
        ``(B * P * M, C)``.
    """
    return _normalize('normalize_max', x, rows, norm, statistics, relu)
