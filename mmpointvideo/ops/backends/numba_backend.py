"""CPU operators compiled by numba (``pip install mmpointvideo[fast]``).

Each call uses as many threads as PyTorch would (``torch.get_num_threads()``), one where there is
little to do. A lock lets one Python thread at a time into numba's thread pool: kernels release
the interpreter lock, and the ``workqueue`` layer, the only one that is always present, ends the
process when two meet in it.

A pool of threads does not survive a fork: a child process that is forked after the pool began to
work goes over to the ``torch`` backend (numba would end the child, or return garbage, depending
on its layer).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .base import Backend, BackendUnavailable
from .torch_norm import by_pair, input_gradient_terms

#: steps of an inner loop (0.1 ms or so) below which waking another thread does not pay
STEPS_PER_THREAD = 1 << 17
_MODES = {'none': 0, 'multiplication': 1, 'addition': 2}


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _uses(frames: Tensor, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Which (anchor, tap) pairs read each frame: positions in ``frames``, and offsets."""
    flat = frames.flatten()
    order = torch.argsort(flat, stable=True)[int((flat < 0).sum()) :]
    counts = torch.bincount(flat[flat >= 0], minlength=num_frames)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return order.numpy(), offsets.numpy()


def _slots(x: Tensor, slots: Tensor | None) -> np.ndarray:
    """Which input every tap of an output frame is; without ``slots`` the frame itself."""
    return np.arange(x.shape[1])[:, None] if slots is None else _array(slots)


def _rows(x: Tensor, slots: np.ndarray, rows: Tensor | None) -> np.ndarray:
    """Which points every output frame holds; without ``rows`` all of them."""
    if rows is None:
        rows = torch.arange(x.shape[2]).expand(x.shape[0], len(slots), -1)
    return _array(rows)


def _load() -> dict[str, Callable]:
    try:
        import numba
    except ImportError as error:
        raise BackendUnavailable(
            f'numba cannot be imported ({error}): pip install mmpointvideo[fast]'
        ) from error

    from . import hit_rate
    from . import numba_aggregation as fused
    from . import numba_grid as grid
    from . import numba_kernels as kernels
    from . import numba_norm as norm
    from .numba_row_ops import operators as row_operators

    most_threads = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]

    pool = threading.Lock()
    has_run = False

    def run(steps: int, kernel: Callable, *args) -> None:
        nonlocal has_run
        wanted = min(torch.get_num_threads(), most_threads, steps // STEPS_PER_THREAD)
        with pool:
            has_run = True
            numba.set_num_threads(max(1, wanted))
            kernel(*args)

    def leave_forked_child() -> None:
        if has_run:
            from .. import dispatch

            dispatch.give_up('numba', 'this process was forked after numba had started its threads')

    if hasattr(os, 'register_at_fork'):  # not on Windows
        os.register_at_fork(after_in_child=leave_forked_child)

    def furthest_point_sample(xyz: Tensor, num_points: int) -> Tensor:
        idx = torch.empty(xyz.shape[0], num_points, dtype=torch.int64)
        bits = np.full(1, -1, np.int32 if xyz.dtype == torch.float32 else np.int64)
        run(
            xyz.shape[0] * xyz.shape[1] * num_points,
            kernels.furthest_points,
            _array(xyz),
            bits,
            idx.numpy(),
        )
        return idx

    furthest_point_sample.takes_lowest_index = True  # type: ignore[attr-defined]

    def ball_query(xyz: Tensor, centers: Tensor, radius: float, num_neighbors: int) -> Tensor:
        idx = torch.empty(*centers.shape[:2], num_neighbors, dtype=torch.int64)
        rounded = idx.numpy(), _array(centers), _array(xyz[:0]).dtype.type(radius)
        if hit_rate.prefers_grid(xyz, centers, radius, num_neighbors):
            query_cells(_array(xyz), *rounded)
        else:
            out, asked, r = rounded
            run(
                xyz.shape[1] * centers.shape[0] * centers.shape[1],
                kernels.first_in_ball,
                _array(xyz.transpose(1, 2)),
                asked,
                r * r,
                out,
            )
        return idx

    def query_cells(points: np.ndarray, out: np.ndarray, asked: np.ndarray, radius) -> None:
        num_batch, num_points = points.shape[:2]
        cells = (
            np.empty((num_batch, 3)),
            np.empty(num_batch),
            np.empty((num_batch, 3), np.int64),
            np.empty((num_batch, 2 * num_points + 1), np.int64),
            np.empty((num_batch, num_points), np.int64),
            np.empty_like(points),
        )
        run(points.size * 8, grid.fill_cells, points, float(radius), *cells)
        run(out.size * 32, grid.first_in_cells, asked, radius * radius, *cells, out)

    def three_nn(target_xyz: Tensor, source_xyz: Tensor) -> tuple[Tensor, Tensor]:
        distance = torch.empty_like(target_xyz, memory_format=torch.contiguous_format)
        idx = torch.empty(target_xyz.shape, dtype=torch.int64)
        infinity = distance.numpy().dtype.type(np.inf)
        run(
            target_xyz.shape[0] * target_xyz.shape[1] * source_xyz.shape[1],
            kernels.nearest_three,
            _array(target_xyz),
            _array(source_xyz),
            infinity,
            distance.numpy(),
            idx.numpy(),
        )
        return distance.sqrt_(), idx

    class ThreeInterpolate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(idx, weight)
            ctx.shape = features.shape
            out = features.new_empty(*features.shape[:2], idx.shape[1])
            run(
                out.numel(),
                kernels.interpolate_forward,
                _array(features),
                _array(idx),
                _array(weight),
                out.numpy(),
            )
            return out

        @staticmethod
        def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
            idx, weight = ctx.saved_tensors
            grad_features = grad.new_zeros(ctx.shape)
            run(
                grad.numel(),
                kernels.interpolate_backward,
                _array(grad),
                _array(idx),
                _array(weight),
                grad_features.numpy(),
            )
            return grad_features, None, None

    class MultiplySum(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, weight, xyz, centers, idx, frames) -> Tensor:
            ctx.save_for_backward(g, weight, xyz, centers, idx, frames)
            out = g.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], g.shape[2])
            run(
                idx.numel() * g.shape[2],
                fused.multiply_sum_forward,
                _array(g),
                _array(weight.t()),
                _array(xyz),
                _array(centers),
                _array(idx),
                _array(frames),
                out.numpy(),
            )
            return out

        @staticmethod
        def backward(ctx, grad: Tensor):
            g, weight, xyz, centers, idx, frames = ctx.saved_tensors
            grad_g = torch.empty_like(g, memory_format=torch.contiguous_format)
            grad_weight = g.new_zeros(g.shape[0], 3, g.shape[2])
            run(
                idx.numel() * g.shape[2],
                fused.multiply_sum_backward,
                _array(grad).reshape(-1, g.shape[2]),
                _array(g),
                _array(weight.t()),
                _array(xyz),
                _array(centers),
                _array(idx),
                *_uses(frames, g.shape[0]),
                grad_g.numpy(),
                grad_weight.numpy(),
            )
            return grad_g, grad_weight.sum(0).t(), None, None, None, None

    class GatherSum(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, idx, frames) -> Tensor:
            ctx.save_for_backward(idx, frames)
            ctx.shape = g.shape
            out = g.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], g.shape[2])
            run(
                idx.numel() * g.shape[2],
                fused.gather_sum_forward,
                _array(g),
                _array(idx),
                _array(frames),
                out.numpy(),
            )
            return out

        @staticmethod
        def backward(ctx, grad: Tensor):
            idx, frames = ctx.saved_tensors
            grad_g = grad.new_zeros(ctx.shape)
            run(
                idx.numel() * ctx.shape[2],
                fused.gather_sum_backward,
                _array(grad),
                _array(idx),
                *_uses(frames, ctx.shape[0]),
                grad_g.numpy(),
            )
            return grad_g, None, None

    class PoolMax(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, weight, xyz, centers, idx, frames, aggregation: str) -> Tensor:
            channels = weight.shape[0]
            mode = _MODES[aggregation]
            source = xyz.new_empty(0, 0, channels) if g is None else g
            out = xyz.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], channels)
            chosen = torch.empty(out.shape, dtype=torch.int32)
            run(
                idx.numel() * channels,
                fused.pool_max_forward,
                _array(source),
                _array(weight.t()),
                _array(xyz),
                _array(centers),
                _array(idx),
                _array(frames),
                mode,
                out.numpy(),
                chosen.numpy(),
            )
            if idx.shape[3] <= 128:
                chosen = chosen.to(torch.int8)
            ctx.save_for_backward(source, weight, xyz, centers, idx, frames, chosen)
            ctx.mode = mode
            return out

        @staticmethod
        def backward(ctx, grad: Tensor):
            source, weight, xyz, centers, idx, frames, chosen = ctx.saved_tensors
            grad_g = torch.zeros_like(source, memory_format=torch.contiguous_format)
            grad_weight = grad.new_zeros(xyz.shape[0], 3, weight.shape[0])
            run(
                grad.numel() * 4,
                fused.pool_max_backward,
                _array(grad),
                _array(source),
                _array(weight.t()),
                _array(xyz),
                _array(centers),
                _array(idx),
                _array(chosen.int()),
                *_uses(frames, xyz.shape[0]),
                ctx.mode,
                grad_g.numpy(),
                grad_weight.numpy(),
            )
            result = None if ctx.mode == 0 else grad_g
            return result, grad_weight.sum(0).t(), None, None, None, None, None

    def sum_displacements(xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor) -> Tensor:
        out = xyz.new_empty(idx.shape[0], idx.shape[2], idx.shape[1], 3)
        run(
            idx.numel() * 3,
            fused.sum_displacements,
            _array(xyz),
            _array(centers),
            _array(idx),
            _array(frames),
            out.numpy(),
        )
        return out

    def frame_moments(x: Tensor) -> tuple[Tensor, Tensor]:
        means, spreads = x.new_empty(2, x.shape[0], x.shape[1], x.shape[3])
        run(x.numel(), norm.block_moments, _array(x), means.numpy(), spreads.numpy())
        mean = means.mean(0)
        var = spreads.sum(0) / (x.shape[0] * x.shape[2]) + (means - mean).square().mean(0)
        return mean, var

    class NormalizeReLU(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx, x, weight, bias, mean, inverse_std, statistics: str, slots, rows
        ) -> Tensor:
            ctx.save_for_backward(x, weight, bias, mean, inverse_std, slots, rows)
            ctx.statistics = statistics
            scale = weight * inverse_std
            slots = _slots(x, slots)
            rows = _rows(x, slots, rows)
            out = x.new_empty(*rows.shape, weight.shape[0])
            by_tap = (len(slots), slots.shape[1], -1)
            run(
                out.numel(),
                norm.apply_forward,
                _array(x),
                _array(scale).reshape(by_tap),
                _array(bias - mean * scale).reshape(by_tap),
                slots,
                rows,
                out.numpy().reshape(*out.shape[:3], *by_tap[1:]),
            )
            return out

        @staticmethod
        def backward(ctx, grad: Tensor):
            x, weight, bias, mean, inverse_std, taps, rows = ctx.saved_tensors
            scale = weight * inverse_std
            shift = bias - mean * scale
            slots = _slots(x, taps)
            rows = _rows(x, slots, rows)
            by_tap = (len(slots), slots.shape[1], -1)
            given = _array(grad).reshape(*grad.shape[:3], *by_tap[1:])
            arrays = (given, _array(x), *(_array(y).reshape(by_tap) for y in (scale, shift)))
            blocks = x.new_empty(2, x.shape[0], len(slots), weight.shape[0])
            run(
                grad.numel(),
                norm.block_gradient_sums,
                *arrays,
                _array(mean).reshape(by_tap),
                slots,
                rows,
                blocks.numpy().reshape(*blocks.shape[:2], *by_tap),
            )
            sums = blocks.sum(1)
            if ctx.statistics == 'fixed':
                slope = level = x.new_zeros(x.shape[1], x.shape[3])
            else:
                slope, level = input_gradient_terms(
                    scale, mean, inverse_std, sums, x.shape[0] * x.shape[2], ctx.statistics
                )
                if taps is not None:
                    slope, level = (by_pair(v, taps, x.shape[1]) for v in (slope, level))
            grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
            run(
                x.numel() + grad.numel(),
                norm.apply_backward,
                *arrays,
                _array(slope),
                _array(level),
                slots,
                rows,
                grad_x.numpy(),
            )
            return grad_x, (sums[1] * inverse_std).sum(0), sums[0].sum(0), *[None] * 5

    def normalize_relu(
        x, weight, bias, mean, inverse_std, statistics, slots=None, rows=None
    ) -> Tensor:
        return NormalizeReLU.apply(x, weight, bias, mean, inverse_std, statistics, slots, rows)

    return {
        'furthest_point_sample': furthest_point_sample,
        'ball_query': ball_query,
        'three_nn': three_nn,
        'three_interpolate': ThreeInterpolate.apply,
        'multiply_sum': MultiplySum.apply,
        'gather_sum': GatherSum.apply,
        'pool_max': PoolMax.apply,
        'sum_displacements': sum_displacements,
        'frame_moments': frame_moments,
        'normalize_relu': normalize_relu,
        **row_operators(run),
    }


NUMBA = Backend('numba', _load, device_type='cpu', dtypes=(torch.float32, torch.float64))
