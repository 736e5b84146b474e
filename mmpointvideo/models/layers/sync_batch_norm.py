"""Batch normalisation with the statistics of all processes, frame by frame, on any backend.

PyTorch's ``SyncBatchNorm`` needs CUDA and knows one set of statistics per call. Here the
statistics are those of every group of values (a frame, a pair of frames, or everything), summed
over the processes, and the gradient passes through them as one process would have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ...utils.precision import at_least_float32, first_order
from .running_averages import update_running_averages


class SyncFrameBatchNorm(nn.BatchNorm1d):
    """``nn.BatchNorm1d`` over all processes; without processes it is one.

    The layers that normalise frame by frame recognise it; called by itself it takes ``(n, C)``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(n, C)``.

        Args:
            x: This process' rows.
        """
        if not is_synchronized(self):
            return super().forward(x)
        if x.ndim != 2:
            raise ValueError(f'SyncFrameBatchNorm expects (n, C), got {tuple(x.shape)}')
        return sync_normalize(x, self, lambda v: v.sum(0, keepdim=True), lambda s: s)


def is_synchronized(norm: nn.Module) -> TypeGuard[SyncFrameBatchNorm]:
    """Whether a batch norm takes statistics of several processes now."""
    if not isinstance(norm, SyncFrameBatchNorm):
        return False
    if not (norm.training or norm.running_mean is None):
        return False
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def convert_sync_batch_norm(module: nn.Module) -> nn.Module:
    """Replace every ``nn.BatchNorm1d`` by a :class:`SyncFrameBatchNorm` with its parameters.

    Args:
        module: A model; it is changed.

    Returns:
        The model.
    """
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm1d:
            synced = SyncFrameBatchNorm(
                child.num_features,
                child.eps,
                child.momentum,
                child.affine,
                child.track_running_stats,
            )
            synced._parameters = child._parameters
            synced._buffers = child._buffers
            synced.train(child.training)
            setattr(module, name, synced)
        else:
            convert_sync_batch_norm(child)
    return module


class _Normalize(torch.autograd.Function):
    """``(x - mean) / deviation`` by groups; see :func:`sync_normalize`."""

    @staticmethod
    def forward(ctx, x, norm, group_sum, expand, weight):
        weighted = x if weight is None else x * weight
        ones = torch.ones_like(x[..., :1]) if weight is None else weight.expand_as(x[..., :1])
        sums = torch.cat([group_sum(weighted), group_sum(ones)], dim=-1)
        dist.all_reduce(sums)
        mean, count = sums[..., :-1] / sums[..., -1:], sums[..., -1:]
        centered = x - expand(mean)
        squares = centered.square()
        var = group_sum(squares if weight is None else squares * weight)
        dist.all_reduce(var)
        var /= count
        number = int(count.max())
        if number == 1:
            raise ValueError(
                'expected more than one value per channel in training, got one: enlarge the batch '
                'or call eval()'
            )
        if norm.training:
            update_running_averages(norm, mean, var, number)
        inverse_std = (var + norm.eps).rsqrt()
        normalized = centered.mul_(expand(inverse_std))
        ctx.save_for_backward(normalized, inverse_std, count)
        ctx.group_sum, ctx.expand, ctx.weight = group_sum, expand, weight
        return normalized

    @staticmethod
    @first_order
    def backward(ctx, grad):
        normalized, inverse_std, count = ctx.saved_tensors
        sums = torch.stack([ctx.group_sum(grad), ctx.group_sum(grad * normalized)])
        dist.all_reduce(sums)
        sums /= count
        shared = ctx.expand(sums[0]) + normalized * ctx.expand(sums[1])
        if ctx.weight is not None:
            shared = shared * ctx.weight
        return (grad - shared) * ctx.expand(inverse_std), None, None, None, None


def sync_normalize(
    x: Tensor,
    norm: SyncFrameBatchNorm,
    group_sum: Callable[[Tensor], Tensor],
    expand: Callable[[Tensor], Tensor],
    weight: Tensor | None = None,
) -> Tensor:
    """Normalise, scale and shift with the statistics of all processes; updates running averages.

    Args:
        x: ``(..., C)``.
        norm: The batch norm.
        group_sum: Sums values ``(..., C)`` over each of G groups, ``(G, C)``.
        expand: Gives every value its group's, ``(G, C)`` to something that broadcasts to x.
        weight: ``(..., 1)``, how often a value counts; once by default.

    Returns:
        As x. Half-precision values are summed and normalised in float32.
    """
    (wide,) = at_least_float32(x)
    out = _Normalize.apply(wide, norm, group_sum, expand, weight)
    if norm.weight is not None:
        out = out * norm.weight + norm.bias
    return out.to(x.dtype)
