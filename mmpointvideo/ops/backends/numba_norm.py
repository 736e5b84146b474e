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
def apply_forward(x, scale, shift, out):
    """``out = max(scale * x + shift, 0)``; scale and shift are (L, C)."""
    num_frames, num_points, channels = x.shape[1], x.shape[2], x.shape[3]
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        factor, offset = scale[frame], shift[frame]
        for m in range(num_points):
            row, into = x[b, frame, m], out[b, frame, m]
            for c in range(channels):
                value = fma(row[c], factor[c], offset[c])
                into[c] = value if value > zero else zero


@compiled()
def block_gradient_sums(grad, x, scale, shift, mean, sums):
    """Sums over points of g and of g * (x - mean), into (2, B, L, C); g is grad after ReLU."""
    num_frames, num_points, channels = x.shape[1], x.shape[2], x.shape[3]
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        factor, offset, middle = scale[frame], shift[frame], mean[frame]
        first, second = sums[0, b, frame], sums[1, b, frame]
        first[:] = 0
        second[:] = 0
        for m in range(num_points):
            row, incoming = x[b, frame, m], grad[b, frame, m]
            for c in range(channels):
                passes = fma(row[c], factor[c], offset[c]) > zero
                first[c] += incoming[c] if passes else zero
            for c in range(channels):
                passes = fma(row[c], factor[c], offset[c]) > zero
                value = incoming[c] if passes else zero
                second[c] = fma(value, row[c] - middle[c], second[c])


@compiled()
def apply_backward(grad, x, scale, shift, slope, level, out):
    """``out = scale * g + slope * x + level``."""
    num_frames, num_points, channels = x.shape[1], x.shape[2], x.shape[3]
    zero = x.dtype.type(0)
    for task in prange(x.shape[0] * num_frames):
        b, frame = task // num_frames, task % num_frames
        factor, offset = scale[frame], shift[frame]
        tilt, base = slope[frame], level[frame]
        for m in range(num_points):
            row, incoming, into = x[b, frame, m], grad[b, frame, m], out[b, frame, m]
            for c in range(channels):
                passes = fma(row[c], factor[c], offset[c]) > zero
                value = incoming[c] if passes else zero
                into[c] = fma(value, factor[c], fma(row[c], tilt[c], base[c]))
