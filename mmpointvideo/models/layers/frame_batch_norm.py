"""Batch normalisation and ReLU with the statistics of every output frame, all frames at once.

The published networks loop over the anchor frames and give BatchNorm one at a time: its
statistics are per frame, and the running averages take one step a frame. Both are reproduced
here without the loop, the running averages in closed form.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...ops.dispatch import resolve
from .linear import pointwise_linear
from .point_tubes import take_points
from .running_averages import update_running_averages
from .sync_batch_norm import SyncFrameBatchNorm, is_synchronized, sync_normalize

STATISTICS = ('frame', 'joint')


class FrameNormalization(NamedTuple):
    """What a normalisation does to every channel of every frame.

    Attributes:
        weight: ``(C,)``.
        bias: ``(C,)``.
        mean: ``(L, C)``.
        inverse_std: ``(L, C)``.
        statistics: Where the last two come from: ``'frame'``, ``'joint'`` or ``'fixed'``.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    inverse_std: Tensor
    statistics: str


def frame_normalization(
    x: Tensor,
    norm: nn.BatchNorm1d | nn.SyncBatchNorm,
    statistics: str,
    slots: Tensor | None = None,
) -> FrameNormalization:
    """Statistics of x, or running averages; in training takes the steps of the latter.

    Args:
        x: ``(B, L, M, C)``, or with ``slots`` ``(B, P, M, C / S)``.
        norm: A batch normalisation over C channels.
        statistics: As for :func:`frame_norm_relu`.
        slots: As for :func:`frame_norm_relu`.

    Raises:
        ValueError: If there is only one value per channel to take statistics from.
    """
    frames = x.shape[1] if slots is None else len(slots)
    running_mean, running_var = norm.running_mean, norm.running_var
    if not norm.training and running_mean is not None and running_var is not None:
        mean, var, statistics = running_mean[None], running_var[None], 'fixed'
    else:
        with torch.no_grad():
            mean, var = resolve('frame_moments', x)(x)
            if slots is not None:
                mean, var = mean[slots].flatten(1), var[slots].flatten(1)
            count = x.shape[0] * x.shape[2]
            if statistics == 'joint':
                joint = mean.mean(0, keepdim=True)
                var = var.mean(0, keepdim=True) + (mean - joint).square().mean(0, keepdim=True)
                mean, count = joint, count * frames
            if count == 1:
                raise ValueError(
                    'expected more than one value per channel in training, got a batch of one '
                    'clip with one point a frame: enlarge the batch or call eval()'
                )
            if norm.training:
                update_running_averages(norm, mean, var, count)
    inverse_std = (var + norm.eps).rsqrt()
    channels = mean.shape[1]
    return FrameNormalization(
        x.new_ones(channels) if norm.weight is None else norm.weight,
        x.new_zeros(channels) if norm.bias is None else norm.bias,
        mean.expand(frames, -1),
        inverse_std.expand(frames, -1),
        statistics,
    )


def frame_norm_relu(
    x: Tensor,
    norm: nn.BatchNorm1d | nn.SyncBatchNorm,
    statistics: str = 'frame',
    slots: Tensor | None = None,
    rows: Tensor | None = None,
) -> Tensor:
    """Normalise, scale, shift, and clip at zero.

    Args:
        x: ``(B, L, M, C)``; with ``slots`` ``(B, P, M, C / S)``.
        norm: A batch normalisation over C channels (``nn.BatchNorm1d``); it gives weights,
            running averages, momentum and mode. In training a ``SyncFrameBatchNorm`` takes the
            statistics of all processes, and a ``nn.SyncBatchNorm`` is called frame by frame.
        statistics: In training ``'frame'`` (over batch and points of each frame) or ``'joint'``
            (over all frames).
        slots: ``(L, S)`` int64: the channels of an output frame are those of S of the P inputs,
            side by side. Inputs that several taps share are not copied. None: P = L, S = 1.
        rows: ``(B, L, R)`` int64: the points that are asked for; the statistics are those of all
            M. None: all of them.

    Returns:
        ``(B, L, M, C)``, or with ``rows`` ``(B, L, R, C)``.

    Raises:
        ValueError: If there is only one value per channel to take statistics from.
    """
    if isinstance(norm, nn.SyncBatchNorm) and norm.training:
        if slots is not None:
            x = x[:, slots].transpose(2, 3).flatten(3)
        parts = x.split(1, dim=1) if statistics == 'frame' else (x,)
        parts = tuple(norm(part.flatten(0, 2)).relu().view_as(part) for part in parts)
        out = torch.cat(parts, dim=1)
        return out if rows is None else take_points(out, rows)
    if is_synchronized(norm):
        out = _sync_norm_relu(x, norm, statistics, slots)
        return out if rows is None else take_points(out, rows)
    how = frame_normalization(x, norm, statistics, slots)
    return resolve('normalize_relu', x)(x, *how, slots, rows)


def frame_norm_relu_linear(
    x: Tensor,
    norm: nn.BatchNorm1d | nn.SyncBatchNorm,
    weight: Tensor,
    statistics: str = 'frame',
    slots: Tensor | None = None,
    rows: Tensor | None = None,
    recompute: bool = False,
) -> Tensor:
    """:func:`frame_norm_relu`, then a linear map of the channels.

    Args:
        x: As for :func:`frame_norm_relu`.
        norm: As for :func:`frame_norm_relu`.
        weight: ``(C_out, C)``.
        statistics: As for :func:`frame_norm_relu`.
        slots: As for :func:`frame_norm_relu`.
        rows: As for :func:`frame_norm_relu`.
        recompute: Do not keep what the linear map reads for the backward pass, but normalise x
            again there. The statistics are taken once: result, gradients and running averages
            stay the same.

    Returns:
        ``(B, L, M, C_out)``, or with ``rows`` ``(B, L, R, C_out)``.
    """
    if not recompute or is_synchronized(norm) or isinstance(norm, nn.SyncBatchNorm):
        return pointwise_linear(frame_norm_relu(x, norm, statistics, slots, rows), weight)
    how = frame_normalization(x, norm, statistics, slots)

    def finish(x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor) -> Tensor:
        hidden = resolve('normalize_relu', x)(x, scale, shift, *how[2:], slots, rows)
        return pointwise_linear(hidden, weight)

    return checkpoint(
        finish, x, how.weight, how.bias, weight, use_reentrant=False, preserve_rng_state=False
    )


def _sync_norm_relu(
    x: Tensor, norm: SyncFrameBatchNorm, statistics: str, slots: Tensor | None
) -> Tensor:
    """:func:`frame_norm_relu` with the statistics of all processes."""
    if slots is not None:
        x = x[:, slots].transpose(2, 3).flatten(3)
    if statistics == 'joint':
        out = sync_normalize(x, norm, lambda v: v.sum((0, 1, 2))[None], lambda s: s)
    else:
        out = sync_normalize(x, norm, lambda v: v.sum(2).sum(0), lambda s: s[:, None])
    return out.relu()
