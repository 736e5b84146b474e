"""Exact intersection of pixel rays with capsules, compiled by numba and cached on disk.

Importing this module imports numba; :mod:`mmpointvideo.simulation.sensor` does so on first use.
The functions are serial, so a worker may call them after a fork.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NEAR = 1.0  # hits nearer to the camera than this are not seen


def _compiled(function):
    """``numba.njit`` with an on-disk cache where one can be written."""
    try:
        return njit(cache=True, error_model='numpy')(function)
    except RuntimeError:  # no writable cache folder: compile anew in every process
        return njit(error_model='numpy')(function)


@_compiled
def _sphere_extent(a, z, radius, focal, centre, size):
    """First and last pixel, along one image axis, of a sphere at (a, z) in that axis' plane."""
    if z - radius <= NEAR:
        return 0, size - 1
    reach = math.asin(radius / math.hypot(a, z))
    angle = math.atan2(a, z)
    low = focal * math.tan(angle - reach) + centre
    high = focal * math.tan(angle + reach) + centre
    first = max(0, int(math.ceil(max(low, -1.0))))
    last = min(size - 1, int(math.floor(min(high, size + 1.0))))
    return first, last


@_compiled
def _ray_sphere(dx, dy, dd, px, py, pz, pp, radius):
    """Depth at which the ray (dx, dy, 1) enters a sphere; infinity where it does not."""
    b = dx * px + dy * py + pz
    root = b * b - dd * (pp - radius * radius)
    if root < 0.0:
        return np.inf
    depth = (b - math.sqrt(root)) / dd
    return depth if depth >= NEAR else np.inf


@_compiled
def raycast(joints, capsules, radii, parts, width, height, focal, cx, cy, depth, part):
    """Draw one frame: nearest depth and part of every pixel.

    A ray meets a capsule where it enters its cylinder between the end planes, or else one of
    the two spheres at its ends; the camera has to be outside.

    Args:
        joints: ``(J, 3)`` float64 in camera axes.
        capsules: ``(K, 2)`` int64.
        radii: ``(K,)`` float64.
        parts: ``(K,)`` uint8.
        width, height, focal, cx, cy: The camera.
        depth: ``(H, W)`` float64, filled with infinity by the caller.
        part: ``(H, W)`` uint8, filled with 0 by the caller.
    """
    for k in range(len(capsules)):
        ax, ay, az = joints[capsules[k, 0]]
        bx, by, bz = joints[capsules[k, 1]]
        radius = radii[k]
        if max(az, bz) + radius <= NEAR:
            continue
        left, right = _sphere_extent(ax, az, radius, focal, cx, width)
        top, bottom = _sphere_extent(ay, az, radius, focal, cy, height)
        other = _sphere_extent(bx, bz, radius, focal, cx, width)
        left, right = min(left, other[0]), max(right, other[1])
        other = _sphere_extent(by, bz, radius, focal, cy, height)
        top, bottom = min(top, other[0]), max(bottom, other[1])

        # With m = o - a = -a, axis n = b - a: the quadratic of the infinite cylinder.
        nx, ny, nz = bx - ax, by - ay, bz - az
        nn = nx * nx + ny * ny + nz * nz
        aa = ax * ax + ay * ay + az * az
        bb = bx * bx + by * by + bz * bz
        an = ax * nx + ay * ny + az * nz
        c = nn * (aa - radius * radius) - an * an
        for v in range(top, bottom + 1):
            dy = (v - cy) / focal
            for u in range(left, right + 1):
                dx = (u - cx) / focal
                dd = dx * dx + dy * dy + 1.0
                dn = dx * nx + dy * ny + nz
                da = dx * ax + dy * ay + az
                found = np.inf
                quadratic = nn * dd - dn * dn
                if quadratic > 1e-12 * nn * dd:
                    half = dn * an - nn * da
                    root = half * half - quadratic * c
                    if root < 0.0:
                        continue  # misses the infinite cylinder, so the capsule too
                    t = (-half - math.sqrt(root)) / quadratic
                    along = t * dn - an
                    if along <= 0.0:
                        found = _ray_sphere(dx, dy, dd, ax, ay, az, aa, radius)
                    elif along >= nn:
                        found = _ray_sphere(dx, dy, dd, bx, by, bz, bb, radius)
                    elif t >= NEAR:
                        found = t
                else:  # a sphere, or a ray along the axis
                    found = min(
                        _ray_sphere(dx, dy, dd, ax, ay, az, aa, radius),
                        _ray_sphere(dx, dy, dd, bx, by, bz, bb, radius),
                    )
                if found < depth[v, u]:
                    depth[v, u] = found
                    part[v, u] = parts[k]
