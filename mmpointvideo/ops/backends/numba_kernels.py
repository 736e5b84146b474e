"""CPU kernels of the point operators, compiled by numba on first use and cached on disk.

Importing this module imports numba. Arithmetic follows the published CUDA kernels to the bit:
``d^2 = fma(dz, dz, fma(dx, dx, dy * dy))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import intrinsic as numba_intrinsic


def intrinsic(function: Callable) -> Any:
    """``numba.extending.intrinsic``, whose own type has one argument too many."""
    return numba_intrinsic(function)


@intrinsic
def fma(typing_context, a, b, c):
    if not (isinstance(a, types.Float) and a == b == c):
        return None

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), generate


@intrinsic
def trailing_zeros(typing_context, word):
    """Position of the lowest set bit of a word that has one."""
    if not isinstance(word, types.Integer):
        return None

    def generate(context, builder, signature, arguments):
        count = builder.cttz(arguments[0], context.get_constant(types.boolean, True))
        return context.cast(builder, count, word, types.int64)

    return types.int64(word), generate


def compiled(parallel: bool = True, **options):
    """``numba.njit`` with an on-disk cache where one can be written."""

    def decorate(function):
        try:
            return njit(parallel=parallel, cache=True, error_model='numpy', **options)(function)
        except RuntimeError:  # no writable cache folder: compile anew in every process
            return njit(parallel=parallel, error_model='numpy', **options)(function)

    return decorate


@compiled(parallel=False, inline='always')
def squared(dx, dy, dz):
    """Squared length of a vector."""
    return fma(dz, dz, fma(dx, dx, dy * dy))


@compiled()
def furthest_points(xyz, bits, out):
    """Write the indices of the chosen points; ``bits`` is a signed integer type of xyz's size.

    Distances are not negative, so their bit patterns order like integers, whose maximum
    vectorises; -1 marks points that may not be chosen.
    """
    num_points, num_samples = xyz.shape[1], out.shape[1]
    for b in prange(xyz.shape[0]):
        x, y, z = xyz[b, :, 0].copy(), xyz[b, :, 1].copy(), xyz[b, :, 2].copy()
        nearest = np.empty_like(x)
        for i in range(num_points):
            skipped = squared(x[i], y[i], z[i]) <= 1e-3
            nearest[i] = -1.0 if skipped else 1e10
        pattern = nearest.view(bits.dtype)
        last = 0
        out[b, 0] = 0
        for step in range(1, num_samples):
            cx, cy, cz = x[last], y[last], z[last]
            best = bits[0]
            for i in range(num_points):
                d = squared(x[i] - cx, y[i] - cy, z[i] - cz)
                nearest[i] = d if d < nearest[i] else nearest[i]
            for i in range(num_points):
                best = max(best, pattern[i])
            last = 0
            if best >= 0:
                while pattern[last] != best:
                    last += 1
            out[b, step] = last


@compiled()
def first_in_ball(xyz, centers, squared_radius, out):
    """Write the first neighbours in index order; ``xyz`` is (B, 3, N).

    The hits of 32 points at a time become the bits of a word (a loop that vectorises), whose set
    bits are then read off; the scan ends where the ball is full.
    """
    num_points, num_neighbors = xyz.shape[2], out.shape[2]
    num_centers = centers.shape[1]
    rows = 64
    blocks = (num_centers + rows - 1) // rows
    for task in prange(xyz.shape[0] * blocks):
        b, start = task // blocks, task % blocks * rows
        x, y, z = xyz[b, 0], xyz[b, 1], xyz[b, 2]
        for m in range(start, min(start + rows, num_centers)):
            cx, cy, cz = centers[b, m, 0], centers[b, m, 1], centers[b, m, 2]
            slots = out[b, m]
            count = 0
            begin = 0
            while begin < num_points and count < num_neighbors:
                px, py, pz = x[begin : begin + 32], y[begin : begin + 32], z[begin : begin + 32]
                word = np.uint32(0)
                for i in range(px.shape[0]):
                    near = squared(px[i] - cx, py[i] - cy, pz[i] - cz) < squared_radius
                    word |= np.uint32(near) << np.uint32(i)
                while word != 0 and count < num_neighbors:
                    slots[count] = begin + trailing_zeros(word)
                    count += 1
                    word &= word - np.uint32(1)
                begin += 32
            first = slots[0] if count > 0 else 0
            for slot in range(count, num_neighbors):
                slots[slot] = first


@compiled()
def nearest_three(target, source, infinity, distance, idx):
    """Write Euclidean distances and indices of the three nearest sources."""
    num_targets, num_sources = target.shape[1], source.shape[1]
    block = 64
    blocks = (num_targets + block - 1) // block
    for task in prange(target.shape[0] * blocks):
        b, start = task // blocks, task % blocks * block
        for t in range(start, min(start + block, num_targets)):
            tx, ty, tz = target[b, t, 0], target[b, t, 1], target[b, t, 2]
            d0 = d1 = d2 = infinity
            i0, i1, i2 = 0, 0, 0
            for i in range(num_sources):
                d = squared(tx - source[b, i, 0], ty - source[b, i, 1], tz - source[b, i, 2])
                if d < d2:
                    if d < d0:
                        d2, i2, d1, i1, d0, i0 = d1, i1, d0, i0, d, i
                    elif d < d1:
                        d2, i2, d1, i1 = d1, i1, d, i
                    else:
                        d2, i2 = d, i
            distance[b, t, 0], distance[b, t, 1], distance[b, t, 2] = d0, d1, d2
            idx[b, t, 0], idx[b, t, 1], idx[b, t, 2] = i0, i1, i2


@compiled()
def interpolate_forward(features, idx, weight, out):
    """Weighted sum of three columns; one channel's row at a time stays in cache."""
    channels = features.shape[1]
    for task in prange(features.shape[0] * channels):
        b, c = task // channels, task % channels
        for t in range(idx.shape[1]):
            out[b, c, t] = (
                features[b, c, idx[b, t, 0]] * weight[b, t, 0]
                + features[b, c, idx[b, t, 1]] * weight[b, t, 1]
                + features[b, c, idx[b, t, 2]] * weight[b, t, 2]
            )


@compiled()
def interpolate_backward(grad, idx, weight, grad_features):
    """Scatter the gradient to the three columns; ``grad_features`` starts as zeros."""
    channels = grad.shape[1]
    for task in prange(grad.shape[0] * channels):
        b, c = task // channels, task % channels
        for t in range(idx.shape[1]):
            for j in range(3):
                grad_features[b, c, idx[b, t, j]] += grad[b, c, t] * weight[b, t, j]
