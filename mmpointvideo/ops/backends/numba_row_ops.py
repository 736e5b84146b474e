"""The operators over rows on top of the numba kernels; same signatures as ``torch_rows``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...utils.precision import first_order
from ..tube_rows import TubeRows
from . import numba_rows as kernels
from .numba_pool import as_array, run
from .torch_rows import statistics_terms

#: bytes of the rows that one task of a reduction reads, so that a second pass finds them cached
_PART_BYTES = 1 << 17
_MODES = {None: 0, True: 1, False: 2}


def _weights(rows: TubeRows) -> np.ndarray:
    if rows.weight is None:
        return np.empty(0, rows.displacement.detach().numpy().dtype)
    return as_array(rows.weight)


def _parts(x: Tensor, rows: TubeRows) -> int:
    segments = rows.num_batch * rows.num_pairs
    size = x.numel() * x.element_size() / segments
    return max(1, -(-8 // segments), round(size / _PART_BYTES))


def _by_pair(x: Tensor, rows: TubeRows) -> Tensor:
    """Sum over clips and parts: ``(..., B * P * parts, C)`` to ``(..., P, C)``."""
    return x.unflatten(-2, (rows.num_batch, rows.num_pairs, -1)).sum(-2).sum(-3)


class CombineRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, scale, shift, spread, offset, rows, multiply, relu):
        mode = _MODES[None if features is None else multiply]
        source = offset.new_empty(0, offset.shape[1]) if features is None else features
        ctx.save_for_backward(source, scale, shift, spread, offset)
        ctx.rows, ctx.mode, ctx.relu = rows, mode, relu
        out = offset.new_empty(len(rows.source), offset.shape[1])
        run(
            out.numel(),
            kernels.combine_forward,
            *map(as_array, (source, scale, shift, spread, offset, rows.source)),
            as_array(rows.displacement),
            as_array(rows.bounds),
            _parts(out, rows),
            mode,
            relu,
            out.numpy(),
        )
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        source, scale, shift, spread, offset = ctx.saved_tensors
        rows = ctx.rows
        grads = [
            torch.zeros_like(t, memory_format=torch.contiguous_format)
            for t in (source, scale, shift, spread, offset)
        ]
        channels = offset.shape[1]
        threads = torch.get_num_threads()
        width = max(16, -(-channels // threads // 16) * 16)
        run(
            3 * grad.numel(),
            kernels.combine_backward,
            *map(as_array, (grad, source, scale, shift, spread, offset, rows.source)),
            as_array(rows.displacement),
            as_array(rows.bounds),
            ctx.mode,
            ctx.relu,
            width,
            *(g.numpy() for g in grads),
        )
        features, scale, shift, spread, offset = grads
        return (features if ctx.mode else None), scale, shift, spread, offset, None, None, None


def row_moments(x: Tensor, rows: TubeRows) -> tuple[Tensor, Tensor]:
    parts = _parts(x, rows)
    tasks = rows.num_batch * rows.num_pairs * parts
    total, means, spreads = x.new_empty(tasks, 1), *x.new_empty(2, tasks, x.shape[1])
    run(
        2 * x.numel(),
        kernels.part_moments,
        as_array(x),
        _weights(rows),
        as_array(rows.bounds),
        parts,
        total[:, 0].numpy(),
        means.numpy(),
        spreads.numpy(),
    )
    mean = _by_pair(total * means, rows) / rows.count
    each = mean[:, None].repeat(rows.num_batch, parts, 1).flatten(0, 1)
    spreads += total * (means - each).square()
    return mean, _by_pair(spreads, rows) / rows.count


class NormalizeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, rows, statistics, relu):
        ctx.save_for_backward(x, weight, bias, mean, inverse_std)
        ctx.rows, ctx.statistics, ctx.relu = rows, statistics, relu
        scale = weight * inverse_std
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        run(
            x.numel(),
            kernels.normalize_forward,
            *map(as_array, (x, scale, bias - mean * scale, rows.bounds)),
            _parts(x, rows),
            relu,
            out.numpy(),
        )
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        x, weight, bias, mean, inverse_std = ctx.saved_tensors
        rows = ctx.rows
        scale = weight * inverse_std
        arrays = [as_array(t) for t in (grad, x, scale, bias - mean * scale)]
        parts, bounds = _parts(x, rows), as_array(rows.bounds)
        blocks = x.new_empty(2, (len(bounds) - 1) * parts, x.shape[1])
        run(
            x.numel(),
            kernels.normalize_sums, *arrays, as_array(mean), bounds, parts, ctx.relu,
            blocks.numpy(),
        )  # fmt: skip
        sums = _by_pair(blocks, rows)
        terms = statistics_terms(scale, mean, inverse_std, sums, rows, ctx.statistics)
        grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        run(
            x.numel(),
            kernels.normalize_backward, *arrays, *map(as_array, terms), _weights(rows), bounds,
            parts, ctx.relu, grad_x.numpy(),
        )  # fmt: skip
        return grad_x, (sums[1] * inverse_std).sum(0), sums[0].sum(0), *[None] * 5


class NormalizeMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, mean, inverse_std, rows, statistics, relu):
        scale = weight * inverse_std
        out = x.new_empty(len(rows.offsets) - 1, x.shape[1])
        small = rows.num_neighbors <= 256
        chosen = torch.empty(out.shape, dtype=torch.uint8 if small else torch.int32)
        run(
            x.numel(),
            kernels.maximum_forward,
            *map(as_array, (x, scale, bias - mean * scale, rows.offsets)),
            rows.num_anchors,
            relu,
            out.numpy(),
            chosen.numpy(),
        )
        ctx.save_for_backward(x, weight, mean, inverse_std, chosen, out)
        ctx.rows, ctx.statistics, ctx.relu = rows, statistics, relu
        return out

    @staticmethod
    @first_order
    def backward(ctx, grad: Tensor):
        x, weight, mean, inverse_std, chosen, out = ctx.saved_tensors
        rows = ctx.rows
        scale = weight * inverse_std
        arrays = [as_array(t) for t in (grad, x, out)]
        segments = rows.num_batch * rows.num_pairs
        parts = min(rows.num_anchors, max(1, -(-16 // segments)))
        blocks = x.new_empty(2, segments * parts, x.shape[1])
        run(
            grad.numel(),
            kernels.maximum_sums, *arrays, *map(as_array, (mean, rows.offsets, chosen)),
            rows.num_anchors, parts, ctx.relu, blocks.numpy(),
        )  # fmt: skip
        sums = _by_pair(blocks, rows)
        terms = statistics_terms(scale, mean, inverse_std, sums, rows, ctx.statistics)
        grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        run(
            x.numel(),
            kernels.maximum_backward, *arrays, *map(as_array, (scale, *terms)), _weights(rows),
            *map(as_array, (rows.offsets, chosen)), rows.num_anchors, ctx.relu,
            ctx.statistics != 'fixed', grad_x.numpy(),
        )  # fmt: skip
        return grad_x, (sums[1] * inverse_std).sum(0), sums[0].sum(0), *[None] * 5


OPERATORS: dict[str, Callable] = {
    'combine_rows': CombineRows.apply,
    'row_moments': row_moments,
    'normalize_rows': NormalizeRows.apply,
    'normalize_max': NormalizeMax.apply,
}
