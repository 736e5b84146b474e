"""The running averages of a batch norm that saw several frames at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmpointvideo.utils.precision import no_autocast


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
    with no_autocast(mean):
        norm.running_mean.mul_(keep).add_(weight @ mean)
        norm.running_var.mul_(keep).add_(weight @ unbiased)
