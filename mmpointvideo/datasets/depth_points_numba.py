"""The compiled loop of :mod:`mmpointvideo.datasets.depth_points`; needs numba."""

import numpy as np
from numba import njit

from .frame_codec import ESCAPE, MAX_DEPTH


@njit(cache=True)
def fill_points_compiled(
    bits: np.ndarray,
    delta: np.ndarray,
    escapes: np.ndarray,
    columns: np.ndarray,
    rows: np.ndarray,
    xyz: np.ndarray,
) -> bool:
    """Decode mask and residuals, and write the points, in one pass.

    Args:
        bits: Packed mask of the box, uint8.
        delta: ``(n,)`` int8 residuals.
        escapes: int32 values of the escaped residuals.
        columns: ``(w,)`` float32, x at depth 1.
        rows: ``(h,)`` float32, y at depth 1.
        xyz: ``(n, 3)`` float32, written to.

    Returns:
        False if the parts do not fit each other; ``xyz`` is then half written.
    """
    width = len(columns)
    if len(bits) != (width * len(rows) + 7) // 8 or len(xyz) != len(delta):
        return False
    point, escape, depth = 0, 0, 0
    row, column = 0, 0
    for byte in range(len(bits)):
        mask = int(bits[byte])
        if mask == 0:
            column += 8
            while column >= width:
                column -= width
                row += 1
            continue
        for _ in range(8):
            if mask & 128:
                if point >= len(delta) or row >= len(rows):
                    return False
                step = int(delta[point])
                if step == ESCAPE:
                    if escape >= len(escapes):
                        return False
                    step = int(escapes[escape])
                    escape += 1
                depth += step
                if depth <= 0 or depth > MAX_DEPTH:
                    return False
                z = np.float32(depth)
                xyz[point, 0] = columns[column] * z
                xyz[point, 1] = rows[row] * z
                xyz[point, 2] = z
                point += 1
            mask <<= 1
            column += 1
            if column == width:
                column = 0
                row += 1
    return point == len(delta) and escape == len(escapes)
