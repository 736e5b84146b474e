"""A mean over rows whose intermediate tensors live as long as a chunk of rows does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _ChunkedMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_of: Callable, chunk: int, prediction, target, shared):
        needs = ctx.needs_input_grad[2:]
        sums: list[Any] = [
            torch.zeros_like(x) if need else None
            for x, need in zip((prediction, target, shared), needs, strict=True)
        ]
        parts = []
        for start in range(0, len(target), chunk):
            rows = slice(start, start + chunk)
            given = [
                x.detach().requires_grad_(need)
                for x, need in zip((prediction[rows], target[rows], shared), needs, strict=True)
            ]
            with torch.set_grad_enabled(any(needs)):
                loss, *statistics = rows_of(start, *given)
                total = loss.sum()
            wanted = [i for i in range(3) if needs[i]]
            if total.requires_grad:
                gradients = torch.autograd.grad(
                    total, [given[i] for i in wanted], allow_unused=True
                )
                for i, gradient in zip(wanted, gradients, strict=True):
                    if gradient is not None:
                        into = sums[i] if i == 2 else sums[i][rows]
                        into += gradient
            parts.append([x.detach() for x in (loss, *statistics)])
        ctx.save_for_backward(*(None if x is None else x.div_(len(target)) for x in sums))
        means = tuple(torch.cat(part).mean() for part in zip(*parts, strict=True))
        ctx.mark_non_differentiable(*means[1:])
        return means

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor):
        scaled = (None if x is None else x * grad for x in ctx.saved_tensors)
        return None, None, *scaled


def chunked_mean(
    rows_of: Callable[..., tuple[Tensor, ...]],
    chunk: int,
    prediction: Tensor,
    target: Tensor,
    shared: Tensor,
) -> tuple[Tensor, ...]:
    """Means of what ``rows_of`` gives for every row, chunk by chunk.

    The gradient is taken together with the forward pass, one chunk at a time: nothing is computed
    twice, and all that is kept for the backward pass has the size of the arguments.

    Args:
        rows_of: Called with the first row of a chunk, its rows of ``prediction`` and ``target``,
            and ``shared``; returns the losses and further statistics of its rows, ``(m,)`` each.
        chunk: Rows handled at a time.
        prediction: ``(M, c)``.
        target: ``(M, c)``.
        shared: What all rows read, ``(R, c)``.

    Returns:
        The mean loss, which has gradients, and the means of the statistics, which have none.
    """
    return _ChunkedMean.apply(rows_of, chunk, prediction, target, shared)
