"""CPU kernels of the ball query over a grid of cells, compiled by numba."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from .numba_kernels import compiled, squared


@compiled()
def fill_cells(xyz, radius, low, inverse, sizes, starts, order, ordered):
    """Sort the points of every cloud by cell.

    xyz is (B, N, 3). Cells are a little wider than the radius, so that rounding cannot move a
    neighbour two cells away, and wide enough that there are at most ``starts.shape[1] - 1``.
    Written are the lower corner (B, 3) and reciprocal width (B,) of the cells in float64, their
    numbers along the axes (B, 3), the first point of every cell, the points' indices in the order
    of the cells (B, N), ascending in a cell, and their coordinates (B, N, 3).
    """
    num_points, most = xyz.shape[1], starts.shape[1] - 1
    for b in prange(xyz.shape[0]):
        high = np.empty(3, dtype=np.float64)
        for axis in range(3):
            low[b, axis] = xyz[b, :, axis].min()
            high[axis] = xyz[b, :, axis].max()
        width = radius * 1.001
        total = most + 1.0
        while total > most:
            total = 1.0
            for axis in range(3):
                total *= math.floor((high[axis] - low[b, axis]) / width) + 1.0
            if total > most:
                width *= 1.25
        inverse[b] = 1.0 / width
        for axis in range(3):
            sizes[b, axis] = int((high[axis] - low[b, axis]) / width) + 1
        cell = np.empty(num_points, dtype=np.int64)
        first = starts[b]
        first[:] = 0
        for i in range(num_points):
            code = 0
            for axis in range(3):
                step = int((xyz[b, i, axis] - low[b, axis]) * inverse[b])
                code = code * sizes[b, axis] + min(step, sizes[b, axis] - 1)
            cell[i] = code
            first[code + 1] += 1
        for code in range(most):
            first[code + 1] += first[code]
        cursor = first[:most].copy()
        for i in range(num_points):
            entry = cursor[cell[i]]
            cursor[cell[i]] += 1
            order[b, entry] = i
            for axis in range(3):
                ordered[b, entry, axis] = xyz[b, i, axis]


@compiled()
def first_in_cells(centers, squared_radius, low, inverse, sizes, starts, order, ordered, out):
    """Write the first neighbours in index order, out of the cells around each centre.

    Hits of different cells arrive out of order: the K lowest indices are kept sorted.
    """
    num_centers, num_neighbors = centers.shape[1], out.shape[2]
    rows = 64
    blocks = (num_centers + rows - 1) // rows
    for task in prange(centers.shape[0] * blocks):
        b, start = task // blocks, task % blocks * rows
        begin = np.empty(3, dtype=np.int64)
        end = np.empty(3, dtype=np.int64)
        for m in range(start, min(start + rows, num_centers)):
            cx, cy, cz = centers[b, m, 0], centers[b, m, 1], centers[b, m, 2]
            for axis in range(3):
                step = math.floor((centers[b, m, axis] - low[b, axis]) * inverse[b])
                step = min(max(step, -2.0), sizes[b, axis] + 1.0)  # far outside: no cell
                begin[axis] = max(int(step) - 1, 0)
                end[axis] = min(int(step) + 1, sizes[b, axis] - 1)
            slots = out[b, m]
            count = 0
            if end[2] >= begin[2]:
                for ix in range(begin[0], end[0] + 1):
                    for iy in range(begin[1], end[1] + 1):
                        line = (ix * sizes[b, 1] + iy) * sizes[b, 2]
                        for entry in range(
                            starts[b, line + begin[2]], starts[b, line + end[2] + 1]
                        ):
                            d = squared(
                                ordered[b, entry, 0] - cx,
                                ordered[b, entry, 1] - cy,
                                ordered[b, entry, 2] - cz,
                            )
                            if d < squared_radius:
                                i = order[b, entry]
                                if count < num_neighbors:
                                    slot = count
                                    count += 1
                                elif i < slots[num_neighbors - 1]:
                                    slot = num_neighbors - 1
                                else:
                                    continue
                                while slot > 0 and slots[slot - 1] > i:
                                    slots[slot] = slots[slot - 1]
                                    slot -= 1
                                slots[slot] = i
            first = slots[0] if count > 0 else 0
            for slot in range(count, num_neighbors):
                slots[slot] = first
