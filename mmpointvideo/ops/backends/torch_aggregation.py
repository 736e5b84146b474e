"""The fused aggregation of PSTConv in plain PyTorch.

The loops run over blocks of anchor frames, small enough for the processor's cache; nothing of K
times the output's size is built or kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ...utils.precision import first_order

#: elements of a block's tensors: what the processor's cache holds, and what other devices spare
BLOCK = 1 << 18
BLOCK_ELSEWHERE = 1 << 25


def _blocks(rows: Tensor, channels: int) -> Iterator[slice]:
    """Anchor frames of ``rows`` (K, A, M, S) that are handled together."""
    elements = BLOCK if rows.device.type == 'cpu' else BLOCK_ELSEWHERE
    size = max(1, elements // max(1, rows[:, 0].numel() * channels))
    for start in range(0, rows.shape[1], size):
        yield slice(start, start + size)


def _rows(idx: Tensor, frames: Tensor, num_points: int) -> tuple[Tensor, Tensor | None]:
    """Rows of the flattened features that every slot reads, ``(K, A, M, S)``, and a mask.

    Slots of frames below 0 read row 0 and are masked: ``(A, 1, S, 1)``, None without any.
    """
    rows = (idx + frames.clamp(min=0)[:, :, None, None] * num_points).permute(3, 0, 2, 1)
    real = frames >= 0
    mask = None if bool(real.all()) else real[:, None, :, None]
    return rows.contiguous(), mask


def _displacement(xyz: Tensor, centers: Tensor, rows: Tensor) -> Tensor:
    """``xyz`` at ``rows`` (..., A, M, S) minus the centres: ``(..., A, M, S, 3)``."""
    found = xyz.flatten(0, 1).index_select(0, rows.flatten()).view(*rows.shape, 3)
    # the centres of every slot, so that the subtraction runs over long rows
    return found.sub_(centers[:, :, None].expand(*rows.shape[-3:], 3).contiguous())


class _MultiplySum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, g, weight, xyz, centers, idx, frames) -> Tensor:
        ctx.save_for_backward(g, weight, xyz, centers, idx, frames)
        rows, mask = _rows(idx, frames, g.shape[1])
        flat = g.flatten(0, 1)
        out = g.new_empty(*rows.shape[1:], g.shape[2])
        for part in _blocks(rows, g.shape[2]):
            index = rows[:, part]
            value = _displacement(xyz, centers[part], index) @ weight.t()
            value.mul_(flat.index_select(0, index.flatten()).view_as(value))
            torch.sum(value, 0, out=out[part])
        return out if mask is None else out.mul_(mask)

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        g, weight, xyz, centers, idx, frames = ctx.saved_tensors
        rows, mask = _rows(idx, frames, g.shape[1])
        if mask is not None:
            grad = grad * mask
        flat = g.flatten(0, 1)
        grad_flat = torch.zeros_like(flat)
        grad_weight = weight.new_zeros(3, weight.shape[0])
        for part in _blocks(rows, g.shape[2]):
            index = rows[:, part]
            shift = _displacement(xyz, centers[part], index)
            index = index.flatten()
            scaled = (shift @ weight.t()).mul_(grad[part])
            grad_flat.index_add_(0, index, scaled.flatten(0, 3))
            scaled = flat.index_select(0, index).view_as(scaled).mul_(grad[part])
            grad_weight.addmm_(shift.flatten(0, 3).t(), scaled.flatten(0, 3))
        return grad_flat.view_as(g), grad_weight.t(), None, None, None, None


def multiply_sum(
    g: Tensor, weight: Tensor, xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor
) -> Tensor:
    """``out[a, m, s] = sum_k g[f, j_k] * W (xyz[f, j_k] - center[a, m])``: ``(A, M, S, C)``."""
    return _MultiplySum.apply(g, weight, xyz, centers, idx, frames)


class _GatherSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, g, idx, frames) -> Tensor:
        ctx.save_for_backward(idx, frames)
        ctx.shape = g.shape
        rows, mask = _rows(idx, frames, g.shape[1])
        flat = g.flatten(0, 1)
        out = g.new_empty(*rows.shape[1:], g.shape[2])
        for part in _blocks(rows, g.shape[2]):
            index = rows[:, part]
            found = flat.index_select(0, index.flatten()).view(*index.shape, -1)
            torch.sum(found, 0, out=out[part])
        return out if mask is None else out.mul_(mask)

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        idx, frames = ctx.saved_tensors
        rows, mask = _rows(idx, frames, ctx.shape[1])
        if mask is not None:
            grad = grad * mask
        grad_flat = grad.new_zeros(ctx.shape[0] * ctx.shape[1], ctx.shape[2])
        for part in _blocks(rows, ctx.shape[2]):
            index = rows[:, part]
            shares = grad[part].expand(*index.shape, -1)
            grad_flat.index_add_(0, index.flatten(), shares.flatten(0, 3))
        return grad_flat.view(ctx.shape), None, None


def gather_sum(g: Tensor, idx: Tensor, frames: Tensor) -> Tensor:
    """``out[a, m, s] = sum_k g[f, j_k]``: ``(A, M, S, C)``."""
    return _GatherSum.apply(g, idx, frames)


class _PoolMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, g, weight, xyz, centers, idx, frames, aggregation: str) -> Tensor:
        rows, mask = _rows(idx, frames, xyz.shape[1])
        shape = (*rows.shape[1:], weight.shape[0])
        best = xyz.new_full(shape, float('-inf'))
        chosen = torch.zeros(shape, dtype=torch.int16, device=xyz.device)
        for k, row in enumerate(rows):
            value = _displacement(xyz, centers, row) @ weight.t()
            if g is not None:
                source = g.flatten(0, 1).index_select(0, row.flatten()).view(shape)
                value = value * source if aggregation == 'multiplication' else value + source
            higher = value > best
            best = torch.where(higher, value, best)
            chosen.masked_fill_(higher, k)
        ctx.save_for_backward(g, weight, xyz, centers, idx, frames, chosen)
        ctx.aggregation = aggregation
        return best if mask is None else best.mul_(mask)

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        g, weight, xyz, centers, idx, frames, chosen = ctx.saved_tensors
        rows, mask = _rows(idx, frames, xyz.shape[1])
        if mask is not None:
            grad = grad * mask
        grad_flat = None if g is None else torch.zeros_like(g).flatten(0, 1)
        grad_weight = torch.zeros_like(weight)
        for k, row in enumerate(rows):
            shift = _displacement(xyz, centers, row)
            index = row.flatten()
            mine = grad * (chosen == k)
            scaled = mine
            if g is not None and ctx.aggregation == 'multiplication':
                source = g.flatten(0, 1).index_select(0, index).view_as(mine)
                scaled = mine * source
                mine = mine * (shift @ weight.t())
            if grad_flat is not None:
                grad_flat.index_add_(0, index, mine.flatten(0, 2))
            grad_weight.addmm_(scaled.flatten(0, 2).t(), shift.flatten(0, 2))
        grad_g = None if grad_flat is None else grad_flat.view_as(g)
        return grad_g, grad_weight, None, None, None, None, None


def pool_max(
    g: Tensor | None,
    weight: Tensor,
    xyz: Tensor,
    centers: Tensor,
    idx: Tensor,
    frames: Tensor,
    aggregation: str,
) -> Tensor:
    """Maximum over the neighbours of the projected displacement times or plus the feature.

    Without features (``g`` None) of the displacement alone. Of equal values the first wins.
    """
    return _PoolMax.apply(g, weight, xyz, centers, idx, frames, aggregation)


def sum_displacements(xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor) -> Tensor:
    """``out[a, m, s] = sum_k (xyz[f, j_k] - center[a, m])``: ``(A, M, S, 3)``."""
    rows, mask = _rows(idx, frames, xyz.shape[1])
    out = xyz.new_zeros(*rows.shape[1:], 3)
    for row in rows:
        out += _displacement(xyz, centers, row)
    return out if mask is None else out * mask
