"""Batch normalisation and ReLU with the statistics of every output frame, all frames at once.

The published networks loop over the anchor frames and give BatchNorm one at a time: its
statistics are per frame, and the running averages take one step a frame. Both are reproduced
here without the loop, the running averages in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...ops.dispatch import resolve

STATISTICS = ('frame', 'joint')


@torch.no_grad()
def update_running_averages(
    norm: nn.BatchNorm1d | nn.SyncBatchNorm, mean: Tensor, var: Tensor, count: int
) -> None:
    """Take one running-average step for every row of ``mean`` and biased ``var`` (L, C)."""
    if not norm.track_running_stats or norm.running_mean is None or norm.running_var is None:
        return
    steps = mean.shape[0]
    unbiased = var * (count / (count - 1))
    assert norm.num_batches_tracked is not None
    if norm.momentum is None:  # cumulative average
        seen = int(norm.num_batches_tracked)
        keep, weight = seen / (seen + steps), mean.new_full((steps,), 1 / (seen + steps))
    else:
        keep = (1 - norm.momentum) ** steps
        age = torch.arange(steps - 1, -1, -1, device=mean.device, dtype=mean.dtype)
        weight = norm.momentum * (1 - norm.momentum) ** age
    norm.num_batches_tracked += steps
    norm.running_mean.mul_(keep).add_(weight @ mean)
    norm.running_var.mul_(keep).add_(weight @ unbiased)


def frame_norm_relu(
    x: Tensor, norm: nn.BatchNorm1d | nn.SyncBatchNorm, statistics: str = 'frame'
) -> Tensor:
    """Normalise, scale, shift, and clip at zero.

    Args:
        x: ``(B, L, M, C)``.
        norm: A batch normalisation over C channels (``nn.BatchNorm1d``); it gives weights,
            running averages, momentum and mode. A ``nn.SyncBatchNorm`` is called frame by frame
            in training.
        statistics: In training ``'frame'`` (over batch and points of each frame) or ``'joint'``
            (over all frames).

    Returns:
        ``(B, L, M, C)``.

    Raises:
        ValueError: If there is only one value per channel to take statistics from.
    """
    running_mean, running_var = norm.running_mean, norm.running_var
    use_batch = norm.training or running_mean is None or running_var is None
    if use_batch and isinstance(norm, nn.SyncBatchNorm):
        parts = x.split(1, dim=1) if statistics == 'frame' else (x,)
        return torch.cat([norm(part.flatten(0, 2)).relu().view_as(part) for part in parts], dim=1)
    if not norm.training and running_mean is not None and running_var is not None:
        mean, var = running_mean[None], running_var[None]
    else:
        with torch.no_grad():
            mean, var = resolve('frame_moments', x)(x)
            count = x.shape[0] * x.shape[2]
            if statistics == 'joint':
                joint = mean.mean(0, keepdim=True)
                var = var.mean(0, keepdim=True) + (mean - joint).square().mean(0, keepdim=True)
                mean, count = joint, count * x.shape[1]
            if count == 1:
                raise ValueError(
                    'expected more than one value per channel in training, got a batch of one '
                    'clip with one point a frame: enlarge the batch or call eval()'
                )
            if norm.training:
                update_running_averages(norm, mean, var, count)
    inverse_std = (var + norm.eps).rsqrt()
    weight = x.new_ones(x.shape[-1]) if norm.weight is None else norm.weight
    bias = x.new_zeros(x.shape[-1]) if norm.bias is None else norm.bias
    frames = x.shape[1]
    return resolve('normalize_relu', x)(
        x,
        weight,
        bias,
        mean.expand(frames, -1),
        inverse_std.expand(frames, -1),
        statistics if use_batch else 'fixed',
    )
