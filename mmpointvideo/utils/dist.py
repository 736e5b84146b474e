"""Several processes: collectives that carry gradients, and the model in its wrapper."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from mmengine.model import is_model_wrapper
from torch import Tensor, nn


class _GatherRows(torch.autograd.Function):
    """Concatenate the rows of all ranks; the gradient of a row is summed over ranks."""

    @staticmethod
    def forward(ctx, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        largest = max(counts)
        padded = rows.new_zeros(largest, *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(gathered, padded)
        return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone(memory_format=torch.contiguous_format)  # others may hold it, too
        dist.all_reduce(grad)
        start = sum(ctx.counts[: dist.get_rank()])
        return grad[start : start + ctx.counts[dist.get_rank()]], None


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Gather the rows of every rank, in rank order, with gradients.

    Args:
        rows: This rank's rows, ``(n, ...)``; ``n`` may differ between ranks.

    Returns:
        All rows, ``(sum of n, ...)``, and the index at which this rank's rows begin. Without a
        process group the rows themselves and 0. A loss that is averaged over the local rows
        gets, with DDP's averaging of parameter gradients, the gradient that one process over
        the whole batch would have (for an equal number of rows on each rank).
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows, 0
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, count)
    sizes = [int(size) for size in counts]
    return _GatherRows.apply(rows.contiguous(), sizes), sum(sizes[: dist.get_rank()])


class _ReduceSum(torch.autograd.Function):
    """Sum over ranks; so is the gradient."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad


def reduce_sum(value: Tensor) -> Tensor:
    """Sum a tensor over the ranks, with gradients.

    Args:
        value: Of one shape on all ranks.

    Returns:
        The sum; without a process group the tensor itself.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return value
    return _ReduceSum.apply(value)


def unwrap_model(model: nn.Module) -> Any:
    """The model itself, without the wrapper that several processes put around it."""
    return model.module if is_model_wrapper(model) else model
