"""CPU kernels of the fused aggregation of PSTConv, compiled by numba.

``out[a, m, s, c] = sum_k g[f, j_k, c] * h_k[c]`` with ``h_k = W (xyz[f, j_k] - center[a, m])``,
``f = frames[a, s]`` and ``j_k = idx[a, s, m, k]``, without a tensor over (m, k, c). The inner
loops run over channels and are written so that LLVM vectorises them: one stored row a loop, at
most seven loaded rows (more would exceed its limit of run-time alias checks).

Neighbours that repeat the first one (the padding of a ball query) are counted once with a weight.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from .numba_kernels import compiled

_FAST = {'contract', 'nsz'}


@compiled(parallel=False, inline='always')
def distinct(neighbors):
    """Number of leading neighbours before the padding that repeats the first."""
    count = neighbors.shape[0]
    while count > 1 and neighbors[count - 1] == neighbors[0]:
        count -= 1
    return count


@compiled(fastmath=_FAST)
def multiply_sum_forward(g, weight, xyz, centers, idx, frames, out):
    """Write ``out`` (A, M, S, C); frames below 0 stand for frames of zeros."""
    num_taps, num_centers, num_neighbors = idx.shape[1], idx.shape[2], idx.shape[3]
    channels = g.shape[2]
    block = 32
    blocks = (num_centers + block - 1) // block
    w0, w1, w2 = weight[0], weight[1], weight[2]
    for task in prange(idx.shape[0] * blocks):
        a, start = task // blocks, task % blocks * block
        shift = np.empty((num_neighbors, 3), dtype=xyz.dtype)
        for m in range(start, min(start + block, num_centers)):
            for s in range(num_taps):
                f = frames[a, s]
                row = out[a, m, s]
                row[:] = 0
                if f < 0:
                    continue
                near = idx[a, s, m]
                count = distinct(near)
                for k in range(count):
                    for axis in range(3):
                        shift[k, axis] = xyz[f, near[k], axis] - centers[a, m, axis]
                for axis in range(3):
                    shift[0, axis] *= num_neighbors - count + 1
                k = 0
                while k + 4 <= count:
                    g0, g1 = g[f, near[k]], g[f, near[k + 1]]
                    g2, g3 = g[f, near[k + 2]], g[f, near[k + 3]]
                    x0, y0, z0 = shift[k, 0], shift[k, 1], shift[k, 2]
                    x1, y1, z1 = shift[k + 1, 0], shift[k + 1, 1], shift[k + 1, 2]
                    x2, y2, z2 = shift[k + 2, 0], shift[k + 2, 1], shift[k + 2, 2]
                    x3, y3, z3 = shift[k + 3, 0], shift[k + 3, 1], shift[k + 3, 2]
                    for c in range(channels):
                        v0, v1, v2, v3 = g0[c], g1[c], g2[c], g3[c]
                        row[c] += (
                            w0[c] * (v0 * x0 + v1 * x1 + v2 * x2 + v3 * x3)
                            + w1[c] * (v0 * y0 + v1 * y1 + v2 * y2 + v3 * y3)
                            + w2[c] * (v0 * z0 + v1 * z1 + v2 * z2 + v3 * z3)
                        )
                    k += 4
                while k < count:
                    g0 = g[f, near[k]]
                    x0, y0, z0 = shift[k, 0], shift[k, 1], shift[k, 2]
                    for c in range(channels):
                        row[c] += g0[c] * (w0[c] * x0 + w1[c] * y0 + w2[c] * z0)
                    k += 1


@compiled(fastmath=_FAST)
def multiply_sum_backward(grad, g, weight, xyz, centers, idx, uses, offsets, grad_g, grad_weight):
    """Write ``grad_g`` (F, N, C) and per-frame ``grad_weight`` (F, 3, C), which starts as zeros.

    ``grad`` is (A * M * S, C).
    ``uses[offsets[f]:offsets[f + 1]]`` lists the (a, s) pairs, as a * S + s, that read frame f.
    A frame is one thread's alone: its neighbour lists are inverted, and for every point the rows
    of the gradient are summed, weighted by dx, dy and dz: with those three sums D,
    ``grad_g = sum_axis W_axis D_axis`` and ``grad_W_axis += g D_axis``.
    """
    num_taps, num_centers, num_neighbors = idx.shape[1], idx.shape[2], idx.shape[3]
    num_points, channels = g.shape[1], g.shape[2]
    w0, w1, w2 = weight[0], weight[1], weight[2]
    for f in prange(g.shape[0]):
        begin, end = offsets[f], offsets[f + 1]
        position = np.zeros(num_points + 1, dtype=np.int64)
        for use in range(begin, end):
            a, s = uses[use] // num_taps, uses[use] % num_taps
            for m in range(num_centers):
                near = idx[a, s, m]
                for k in range(distinct(near)):
                    position[near[k] + 1] += 1
        for i in range(num_points):
            position[i + 1] += position[i]
        total = position[num_points]
        reader = np.empty(total, dtype=np.int64)
        shift = np.empty((3, total), dtype=xyz.dtype)
        cursor = position[:num_points].copy()
        for use in range(begin, end):
            a, s = uses[use] // num_taps, uses[use] % num_taps
            for m in range(num_centers):
                near = idx[a, s, m]
                count = distinct(near)
                for k in range(count):
                    j = near[k]
                    entry = cursor[j]
                    cursor[j] += 1
                    reader[entry] = (a * num_centers + m) * num_taps + s
                    scale = num_neighbors - count + 1 if k == 0 else 1
                    for axis in range(3):
                        shift[axis, entry] = (xyz[f, j, axis] - centers[a, m, axis]) * scale
        sums = np.empty((3, channels), dtype=g.dtype)
        for j in range(num_points):
            first, last = position[j], position[j + 1]
            target = grad_g[f, j]
            if first == last:
                target[:] = 0
                continue
            sums[:] = 0
            entry = first
            while entry + 4 <= last:
                r0, r1 = grad[reader[entry]], grad[reader[entry + 1]]
                r2, r3 = grad[reader[entry + 2]], grad[reader[entry + 3]]
                for axis in range(3):
                    along = sums[axis]
                    d0, d1 = shift[axis, entry], shift[axis, entry + 1]
                    d2, d3 = shift[axis, entry + 2], shift[axis, entry + 3]
                    for c in range(channels):
                        along[c] += r0[c] * d0 + r1[c] * d1 + r2[c] * d2 + r3[c] * d3
                entry += 4
            while entry < last:
                r0 = grad[reader[entry]]
                for axis in range(3):
                    along = sums[axis]
                    d0 = shift[axis, entry]
                    for c in range(channels):
                        along[c] += r0[c] * d0
                entry += 1
            s0, s1, s2 = sums[0], sums[1], sums[2]
            for c in range(channels):
                target[c] = w0[c] * s0[c] + w1[c] * s1[c] + w2[c] * s2[c]
            source = g[f, j]
            for axis in range(3):
                along, into = sums[axis], grad_weight[f, axis]
                for c in range(channels):
                    into[c] += source[c] * along[c]


@compiled()
def gather_sum_forward(g, idx, frames, out):
    """``out[a, m, s, c] = sum_k g[f, j_k, c]``."""
    num_taps, num_centers, num_neighbors = idx.shape[1], idx.shape[2], idx.shape[3]
    channels = g.shape[2]
    for a in prange(idx.shape[0]):
        for m in range(num_centers):
            for s in range(num_taps):
                row = out[a, m, s]
                row[:] = 0
                f = frames[a, s]
                if f < 0:
                    continue
                near = idx[a, s, m]
                count = distinct(near)
                for k in range(count):
                    scale = g.dtype.type(num_neighbors - count + 1 if k == 0 else 1)
                    source = g[f, near[k]]
                    for c in range(channels):
                        row[c] += scale * source[c]


@compiled()
def gather_sum_backward(grad, idx, uses, offsets, grad_g):
    """Transpose of :func:`gather_sum_forward`; ``grad_g`` starts as zeros."""
    num_taps, num_centers, num_neighbors = idx.shape[1], idx.shape[2], idx.shape[3]
    channels = grad_g.shape[2]
    for f in prange(grad_g.shape[0]):
        for use in range(offsets[f], offsets[f + 1]):
            a, s = uses[use] // num_taps, uses[use] % num_taps
            for m in range(num_centers):
                near = idx[a, s, m]
                count = distinct(near)
                source = grad[a, m, s]
                for k in range(count):
                    scale = grad_g.dtype.type(num_neighbors - count + 1 if k == 0 else 1)
                    target = grad_g[f, near[k]]
                    for c in range(channels):
                        target[c] += scale * source[c]


@compiled(fastmath=_FAST)
def pool_max_forward(g, weight, xyz, centers, idx, frames, mode, out, chosen):
    """Maximum over the neighbours and which one it was (``chosen``, int32).

    ``mode``: 0 displacement alone, 1 times the feature, 2 plus the feature.
    """
    num_taps, num_centers = idx.shape[1], idx.shape[2]
    channels = out.shape[3]
    w0, w1, w2 = weight[0], weight[1], weight[2]
    for a in prange(idx.shape[0]):
        values = np.empty(channels, dtype=out.dtype)
        for m in range(num_centers):
            for s in range(num_taps):
                row, which = out[a, m, s], chosen[a, m, s]
                f = frames[a, s]
                which[:] = 0
                if f < 0:
                    row[:] = 0
                    continue
                row[:] = -np.inf
                near = idx[a, s, m]
                for k in range(distinct(near)):
                    j = near[k]
                    dx = xyz[f, j, 0] - centers[a, m, 0]
                    dy = xyz[f, j, 1] - centers[a, m, 1]
                    dz = xyz[f, j, 2] - centers[a, m, 2]
                    for c in range(channels):
                        values[c] = w0[c] * dx + w1[c] * dy + w2[c] * dz
                    if mode == 1:
                        source = g[f, j]
                        for c in range(channels):
                            values[c] *= source[c]
                    elif mode == 2:
                        source = g[f, j]
                        for c in range(channels):
                            values[c] += source[c]
                    for c in range(channels):
                        higher = values[c] > row[c]
                        which[c] = k if higher else which[c]
                        row[c] = values[c] if higher else row[c]


@compiled(fastmath=_FAST)
def pool_max_backward(
    grad, g, weight, xyz, centers, idx, chosen, uses, offsets, mode, grad_g, grad_weight
):
    """Send every gradient to the chosen neighbour; both outputs start as zeros."""
    num_taps, num_centers, channels = idx.shape[1], idx.shape[2], grad.shape[3]
    w0, w1, w2 = weight[0], weight[1], weight[2]
    for f in prange(offsets.shape[0] - 1):
        into = grad_weight[f]
        for use in range(offsets[f], offsets[f + 1]):
            a, s = uses[use] // num_taps, uses[use] % num_taps
            for m in range(num_centers):
                for c in range(channels):
                    j = idx[a, s, m, chosen[a, m, s, c]]
                    dx = xyz[f, j, 0] - centers[a, m, 0]
                    dy = xyz[f, j, 1] - centers[a, m, 1]
                    dz = xyz[f, j, 2] - centers[a, m, 2]
                    scale = grad[a, m, s, c]
                    if mode == 1:
                        grad_g[f, j, c] += scale * (w0[c] * dx + w1[c] * dy + w2[c] * dz)
                        scale *= g[f, j, c]
                    elif mode == 2:
                        grad_g[f, j, c] += scale
                    into[0, c] += scale * dx
                    into[1, c] += scale * dy
                    into[2, c] += scale * dz


@compiled()
def sum_displacements(xyz, centers, idx, frames, out):
    """``out[a, m, s] = sum_k (xyz[f, j_k] - center[a, m])``; zeros for frames below 0."""
    num_taps, num_centers, num_neighbors = idx.shape[1], idx.shape[2], idx.shape[3]
    for a in prange(idx.shape[0]):
        for m in range(num_centers):
            for s in range(num_taps):
                f = frames[a, s]
                for axis in range(3):
                    total = xyz.dtype.type(0)
                    if f >= 0:
                        for k in range(num_neighbors):
                            total += xyz[f, idx[a, s, m, k], axis] - centers[a, m, axis]
                    out[a, m, s, axis] = total
