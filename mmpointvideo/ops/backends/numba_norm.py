"""CPU kernels of the per-frame normalisation with ReLU, compiled by numba."""

from __future__ import annotations

from numba import prange

from .numba_kernels import compiled, fma

_FAST = {'contract', 'nsz'}


@compiled(fastmath=_FAST)
def block_moments(x, mean, spread):
    """Mean and sum of squared deviations of each ``x[b, l]`` (M, C), into (B, L, C)."""
    num_frames, num_points, channels = x.shape[1], x.shape[2], x.shape[3]
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        middle, squares = mean[b, frame], spread[b, frame]
        middle[:] = 0
        squares[:] = 0
        for m in range(num_points):
            row = x[b, frame, m]
            for c in range(channels):
                middle[c] += row[c]
        inverse = middle.dtype.type(1) / middle.dtype.type(num_points)
        for c in range(channels):
            middle[c] *= inverse
        for m in range(num_points):
            row = x[b, frame, m]
            for c in range(channels):
                squares[c] += (row[c] - middle[c]) * (row[c] - middle[c])


@compiled()
def apply_forward(x, scale, shift, slots, rows, out):
    """``out[b, l, r, s] = max(scale[l, s] * x[b, slots[l, s], rows[b, l, r]] + shift[l, s], 0)``.

    x is (B, P, M, C), rows (B, L, R), out (B, L, R, S, C), scale and shift are (L, S, C).
    """
    channels = x.shape[3]
    num_frames, num_taps = slots.shape
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        for s in range(num_taps):
            pair = slots[frame, s]
            factor, offset = scale[frame, s], shift[frame, s]
            for r in range(rows.shape[2]):
                row, into = x[b, pair, rows[b, frame, r]], out[b, frame, r, s]
                for c in range(channels):
                    value = fma(row[c], factor[c], offset[c])
                    into[c] = zero if value <= zero else value  # NaN stays NaN


@compiled()
def block_gradient_sums(grad, x, scale, shift, mean, slots, rows, sums):
    """Sums over points of g and of g * (x - mean), into (2, B, L, S, C); g: grad after ReLU.

    grad is (B, L, R, S, C), the others are as in :func:`apply_forward`.
    """
    channels = x.shape[3]
    num_frames, num_taps = slots.shape
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        for s in range(num_taps):
            pair = slots[frame, s]
            factor, offset, middle = scale[frame, s], shift[frame, s], mean[frame, s]
            first, second = sums[0, b, frame, s], sums[1, b, frame, s]
            first[:] = 0
            second[:] = 0
            for r in range(rows.shape[2]):
                row, incoming = x[b, pair, rows[b, frame, r]], grad[b, frame, r, s]
                for c in range(channels):
                    passes = fma(row[c], factor[c], offset[c]) > zero
                    first[c] += incoming[c] if passes else zero
                for c in range(channels):
                    passes = fma(row[c], factor[c], offset[c]) > zero
                    value = incoming[c] if passes else zero
                    second[c] = fma(value, row[c] - middle[c], second[c])


@compiled()
def apply_backward(grad, x, scale, shift, slope, level, slots, rows, out):
    """``out[b, p] = slope[p] * x + level[p]``, plus ``scale * g`` of the taps (l, s) of pair p.

    slope and level are (P, C).
    """
    num_points, channels = x.shape[2], x.shape[3]
    num_pairs, num_taps = x.shape[1], slots.shape[1]
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_pairs):
        b, pair = task // num_pairs, task % num_pairs
        tilt, base = slope[pair], level[pair]
        for m in range(num_points):
            row, into = x[b, pair, m], out[b, pair, m]
            for c in range(channels):
                into[c] = fma(row[c], tilt[c], base[c])
        for use in range(slots.size):
            frame, s = use // num_taps, use % num_taps
            if slots[frame, s] != pair:
                continue
            factor, offset = scale[frame, s], shift[frame, s]
            for r in range(rows.shape[2]):
                m = rows[b, frame, r]
                row, incoming, into = x[b, pair, m], grad[b, frame, r, s], out[b, pair, m]
                for c in range(channels):
                    passes = fma(row[c], factor[c], offset[c]) > zero
                    value = incoming[c] if passes else zero
                    into[c] = fma(value, factor[c], into[c])
