"""CUDA kernels of the point operators, written in Triton.

Importing this module imports Triton. Squared distances follow the published kernels to the bit:
``fma(dz, dz, fma(dx, dx, dy * dy))``. Sums have a fixed order, there are no atomics: two runs give
the same bits.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def squared(dx, dy, dz):
    """Squared length of vectors."""
    return tl.fma(dz, dz, tl.fma(dx, dx, dy * dy))


@triton.jit
def furthest_points(
    xyz, nearest, out, num_points, num_samples, BLOCK: tl.constexpr, RELOAD: tl.constexpr
):
    """Choose points of one cloud per program; of tied points the lowest index.

    xyz is (B, 3, N), ``nearest`` (B, N) what the distances start from (-1: never to be chosen),
    ``out`` (B, M). BLOCK is a power of two of at least N. RELOAD keeps the distances alone in
    registers, and reads the coordinates from the cache in every step.
    """
    cloud = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    inside = lane < num_points
    plane = xyz + cloud * 3 * num_points
    if not RELOAD:
        x = tl.load(plane + lane, mask=inside, other=0.0)
        y = tl.load(plane + num_points + lane, mask=inside, other=0.0)
        z = tl.load(plane + 2 * num_points + lane, mask=inside, other=0.0)
    near = tl.load(nearest + cloud * num_points + lane, mask=inside, other=-2.0)
    chosen = out + cloud * num_samples
    last = tl.full((), 0, tl.int32)
    tl.store(chosen, last)
    for step in range(1, num_samples):
        cx = tl.load(plane + last)
        cy = tl.load(plane + num_points + last)
        cz = tl.load(plane + 2 * num_points + last)
        if RELOAD:
            x = tl.load(plane + lane, mask=inside, other=0.0)
            y = tl.load(plane + num_points + lane, mask=inside, other=0.0)
            z = tl.load(plane + 2 * num_points + lane, mask=inside, other=0.0)
        near = tl.minimum(near, squared(x - cx, y - cy, z - cz))
        last = tl.argmax(near, axis=0, tie_break_left=True).to(tl.int32)
        tl.store(chosen + step, last)


@triton.jit
def first_in_ball(
    xyz,
    centers,
    squared_radius,
    out,
    num_points,
    num_centers,
    num_neighbors,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write the first neighbours in index order; the scan ends where all ROWS balls are full.

    xyz is (B, 3, N), centers (B, M, 3), out (B, M, K).
    """
    cloud = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    real = row < num_centers
    center = centers + (cloud * num_centers + row) * 3
    cx = tl.load(center, mask=real, other=0.0)[:, None]
    cy = tl.load(center + 1, mask=real, other=0.0)[:, None]
    cz = tl.load(center + 2, mask=real, other=0.0)[:, None]
    plane = xyz + cloud * 3 * num_points
    slots = out + (cloud * num_centers + row) * num_neighbors
    count = tl.where(real, 0, num_neighbors)
    first = tl.zeros((ROWS,), tl.int32)
    start = tl.full((), 0, tl.int32)
    while (start < num_points) & (tl.min(count, axis=0) < num_neighbors):
        column = start + tl.arange(0, BLOCK)
        inside = column < num_points
        px = tl.load(plane + column, mask=inside, other=0.0)[None, :]
        py = tl.load(plane + num_points + column, mask=inside, other=0.0)[None, :]
        pz = tl.load(plane + 2 * num_points + column, mask=inside, other=0.0)[None, :]
        hit = (squared(px - cx, py - cy, pz - cz) < squared_radius) & inside[None, :]
        ones = hit.to(tl.int32)
        slot = count[:, None] + tl.cumsum(ones, axis=1) - 1
        index = tl.broadcast_to(column[None, :], (ROWS, BLOCK))
        tl.store(slots[:, None] + slot, index, mask=hit & (slot < num_neighbors))
        lowest = tl.min(tl.where(hit, index, num_points), axis=1)
        first = tl.where((count == 0) & (lowest < num_points), lowest, first)
        count = tl.minimum(count + tl.sum(ones, axis=1), num_neighbors)
        start += BLOCK
    for k in range(num_neighbors):
        tl.store(slots + k, first, mask=real & (count <= k))


@triton.jit
def sum_neighbors(
    g,
    weight,
    xyz,
    centers,
    idx,
    frames,
    out,
    num_taps,
    num_centers,
    num_neighbors,
    num_points,
    channels,
    MULTIPLY: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """``out[a, m, s] = sum_k g[f, j_k] * (W d_k)``, or without the factor.

    g is (F, N, C), weight (C, 3), xyz (F, N, 3), centers (A, M, 3), idx (A, S, M, K), frames
    (A, S), out (A, M, S, C); ``f = frames[a, s]`` below 0 gives zeros.
    """
    pair = tl.program_id(0).to(tl.int64)
    anchor, tap = pair // num_taps, pair % num_taps
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    real = row < num_centers
    channel = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    used = channel < channels
    # masks are compared as blocks: the interpreter cannot spread the truth of a single number
    frame = tl.broadcast_to(tl.load(frames + pair), (ROWS,))
    live = real & (frame >= 0)
    near = idx + (pair * num_centers + row) * num_neighbors
    tube = anchor * num_centers + row
    if MULTIPLY:
        cx = tl.load(centers + tube * 3, mask=real, other=0.0)
        cy = tl.load(centers + tube * 3 + 1, mask=real, other=0.0)
        cz = tl.load(centers + tube * 3 + 2, mask=real, other=0.0)
        w0 = tl.load(weight + channel * 3, mask=used, other=0.0)[None, :]
        w1 = tl.load(weight + channel * 3 + 1, mask=used, other=0.0)[None, :]
        w2 = tl.load(weight + channel * 3 + 2, mask=used, other=0.0)[None, :]
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    for k in range(num_neighbors):
        point = frame * num_points + tl.load(near + k, mask=live, other=0)
        value = tl.load(
            g + point[:, None] * channels + channel[None, :],
            mask=live[:, None] & used[None, :],
            other=0.0,
        )
        if MULTIPLY:
            dx = tl.load(xyz + point * 3, mask=live, other=0.0) - cx
            dy = tl.load(xyz + point * 3 + 1, mask=live, other=0.0) - cy
            dz = tl.load(xyz + point * 3 + 2, mask=live, other=0.0) - cz
            value *= dx[:, None] * w0 + dy[:, None] * w1 + dz[:, None] * w2
        total += value
    target = out + (tube * num_taps + tap)[:, None] * channels + channel[None, :]
    tl.store(target, total, mask=real[:, None] & used[None, :])


@triton.jit
def sum_neighbors_backward(
    grad,
    g,
    weight,
    xyz,
    centers,
    order,
    offsets,
    grad_g,
    partial,
    num_taps,
    num_centers,
    num_neighbors,
    num_rows,
    channels,
    MULTIPLY: tl.constexpr,
    POINTS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradients of :func:`sum_neighbors`; POINTS points a program, each read by nobody else.

    ``order[offsets[i]:offsets[i + 1]]`` lists the entries of idx that read point i of all
    F * N. With D the sums of the readers' gradients weighted by dx, dy and dz:
    ``grad_g = sum_axis W_axis D_axis``, and ``partial``, (programs, 3, C), collects
    ``g D_axis``, the gradient of the weight.
    """
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    used = channel < channels
    if MULTIPLY:
        w0 = tl.load(weight + channel * 3, mask=used, other=0.0)
        w1 = tl.load(weight + channel * 3 + 1, mask=used, other=0.0)
        w2 = tl.load(weight + channel * 3 + 2, mask=used, other=0.0)
    into0 = tl.zeros((BLOCK,), tl.float32)
    into1 = tl.zeros((BLOCK,), tl.float32)
    into2 = tl.zeros((BLOCK,), tl.float32)
    for i in range(POINTS):
        point = tl.program_id(0).to(tl.int64) * POINTS + i
        real = point < num_rows
        mine = used & (tl.broadcast_to(point, (BLOCK,)) < num_rows)
        begin = tl.load(offsets + point, mask=real, other=0).to(tl.int32)
        end = tl.load(offsets + point + 1, mask=real, other=0).to(tl.int32)
        sum0 = tl.zeros((BLOCK,), tl.float32)
        sum1 = tl.zeros((BLOCK,), tl.float32)
        sum2 = tl.zeros((BLOCK,), tl.float32)
        px = tl.load(xyz + point * 3, mask=real, other=0.0)
        py = tl.load(xyz + point * 3 + 1, mask=real, other=0.0)
        pz = tl.load(xyz + point * 3 + 2, mask=real, other=0.0)
        for entry in range(begin, end):
            reader = tl.load(order + entry) // num_neighbors
            pair = reader // num_centers
            tube = pair // num_taps * num_centers + reader % num_centers
            source = grad + (tube * num_taps + pair % num_taps) * channels
            value = tl.load(source + channel, mask=used, other=0.0)
            if MULTIPLY:
                sum0 += value * (px - tl.load(centers + tube * 3))
                sum1 += value * (py - tl.load(centers + tube * 3 + 1))
                sum2 += value * (pz - tl.load(centers + tube * 3 + 2))
            else:
                sum0 += value
        target = grad_g + point * channels + channel
        if MULTIPLY:
            own = tl.load(g + point * channels + channel, mask=mine, other=0.0)
            into0 += own * sum0
            into1 += own * sum1
            into2 += own * sum2
            tl.store(target, w0 * sum0 + w1 * sum1 + w2 * sum2, mask=mine)
        else:
            tl.store(target, sum0, mask=mine)
    if MULTIPLY:
        rows = partial + tl.program_id(0).to(tl.int64) * 3 * channels + channel
        tl.store(rows, into0, mask=used)
        tl.store(rows + channels, into1, mask=used)
        tl.store(rows + 2 * channels, into2, mask=used)
