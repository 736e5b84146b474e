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
def apply_forward(x, scale, shift, slots, out):
    """``out[b, l, m, s] = max(scale[l, s] * x[b, slots[l, s], m] + shift[l, s], 0)``.

    x is (B, P, M, C), out (B, L, M, S, C), scale and shift are (L, S, C).
    """
    num_points, channels = x.shape[2], x.shape[3]
    num_frames, num_taps = slots.shape
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        for s in range(num_taps):
            pair = slots[frame, s]
            factor, offset = scale[frame, s], shift[frame, s]
            for m in range(num_points):
                row, into = x[b, pair, m], out[b, frame, m, s]
                for c in range(channels):
                    value = fma(row[c], factor[c], offset[c])
                    into[c] = zero if value <= zero else value  # NaN stays NaN


@compiled()
def block_gradient_sums(grad, x, scale, shift, mean, slots, sums):
    """Sums over points of g and of g * (x - mean), into (2, B, L, S, C); g: grad after ReLU.

    grad is (B, L, M, S, C), the others are as in :func:`apply_forward`.
    """
    num_points, channels = x.shape[2], x.shape[3]
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
            for m in range(num_points):
                row, incoming = x[b, pair, m], grad[b, frame, m, s]
                for c in range(channels):
                    passes = fma(row[c], factor[c], offset[c]) > zero
                    first[c] += incoming[c] if passes else zero
                for c in range(channels):
                    passes = fma(row[c], factor[c], offset[c]) > zero
                    value = incoming[c] if passes else zero
                    second[c] = fma(value, row[c] - middle[c], second[c])


@compiled()
def apply_backward(grad, x, scale, shift, slope, level, slots, out):
    """``out[b, p] = sum of scale * g + slope * x + level`` over the taps (l, s) of pair p."""
    num_points, channels = x.shape[2], x.shape[3]
    num_pairs, num_taps = x.shape[1], slots.shape[1]
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_pairs):
        b, pair = task // num_pairs, task % num_pairs
        fresh = True
        for use in range(slots.size):
            frame, s = use // num_taps, use % num_taps
            if slots[frame, s] != pair:
                continue
            factor, offset = scale[frame, s], shift[frame, s]
            tilt, base = slope[frame, s], level[frame, s]
            for m in range(num_points):
                row, incoming, into = x[b, pair, m], grad[b, frame, m, s], out[b, pair, m]
                if fresh:
                    for c in range(channels):
                        passes = fma(row[c], factor[c], offset[c]) > zero
                        value = incoming[c] if passes else zero
                        into[c] = fma(value, factor[c], fma(row[c], tilt[c], base[c]))
                else:
                    for c in range(channels):
                        passes = fma(row[c], factor[c], offset[c]) > zero
                        value = incoming[c] if passes else zero
                        into[c] += fma(value, factor[c], fma(row[c], tilt[c], base[c]))
            fresh = False
