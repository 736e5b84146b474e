"""Exact intersection of pixel rays with turned boxes, ellipsoids, cylinders and capsules.

Compiled by numba, cached on disk. Importing this module imports numba;
:mod:`mmpointvideo.simulation.streets` does so on first use. The functions are serial, so a worker
may call them after a fork.

Every solid is drawn into the pixels that its bounding box covers, nearest depth first served; the
second pass finds normal and texture of what each pixel kept.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NEAR = 0.05  # metres; what is nearer is not seen


def _compiled(function):
    """``numba.njit`` with an on-disk cache where one can be written."""
    try:
        return njit(cache=True, error_model='numpy')(function)
    except RuntimeError:  # no writable cache folder: compile anew in every process
        return njit(error_model='numpy')(function)


@_compiled
def _pixel_limits(to_camera, center, half, width, height, focal, cx, cy):
    """First and last column and row that a box can cover; an empty range behind the camera."""
    corner = np.empty((8, 3))
    for i in range(8):
        for axis in range(3):
            value = center[axis]
            for own in range(3):
                sign = 1.0 if (i >> own) & 1 else -1.0
                value += sign * half[own] * to_camera[axis, own]
            corner[i, axis] = value
    left, right, top, bottom = np.inf, -np.inf, np.inf, -np.inf
    for i in range(8):
        for own in range(-1, 3):
            if own < 0:
                x, y, z = corner[i, 0], corner[i, 1], corner[i, 2]
                if z < NEAR:
                    continue
            else:  # where the edge to the neighbouring corner passes the near plane
                j = i ^ (1 << own)
                if not (corner[i, 2] < NEAR <= corner[j, 2]):
                    continue
                t = (NEAR - corner[i, 2]) / (corner[j, 2] - corner[i, 2])
                x = corner[i, 0] + t * (corner[j, 0] - corner[i, 0])
                y = corner[i, 1] + t * (corner[j, 1] - corner[i, 1])
                z = NEAR
            u, v = cx - focal * x / z, cy + focal * y / z
            left, right, top, bottom = min(left, u), max(right, u), min(top, v), max(bottom, v)
    first = int(math.floor(max(left, 0.0)))
    last = int(math.ceil(min(right, width - 1.0)))
    first_row = int(math.floor(max(top, 0.0)))
    last_row = int(math.ceil(min(bottom, height - 1.0)))
    return first, last, first_row, last_row


@_compiled
def _enter_box(ox, oy, oz, dx, dy, dz, a, b, c):
    near, far = -np.inf, np.inf
    for axis in range(3):
        o = ox if axis == 0 else (oy if axis == 1 else oz)
        d = dx if axis == 0 else (dy if axis == 1 else dz)
        h = a if axis == 0 else (b if axis == 1 else c)
        if d == 0.0:
            if abs(o) > h:
                return np.inf
            continue
        t0, t1 = (-h - o) / d, (h - o) / d
        near, far = max(near, min(t0, t1)), min(far, max(t0, t1))
    return near if near <= far else np.inf


@_compiled
def _enter_ellipsoid(ox, oy, oz, dx, dy, dz, a, b, c):
    ox, oy, oz, dx, dy, dz = ox / a, oy / b, oz / c, dx / a, dy / b, dz / c
    dd, od = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz
    root = od * od - dd * (ox * ox + oy * oy + oz * oz - 1.0)
    return (-od - math.sqrt(root)) / dd if root >= 0.0 else np.inf


@_compiled
def _enter_cylinder(ox, oy, oz, dx, dy, dz, a, b, c):
    ex, ez, fx, fz = ox / a, oz / c, dx / a, dz / c
    dd, od, rest = fx * fx + fz * fz, ex * fx + ez * fz, ex * ex + ez * ez - 1.0
    near, far = -np.inf, np.inf
    if dd > 0.0:
        root = od * od - dd * rest
        if root < 0.0:
            return np.inf
        root = math.sqrt(root)
        near, far = (-od - root) / dd, (-od + root) / dd
    elif rest > 0.0:
        return np.inf
    if dy != 0.0:
        t0, t1 = (-b - oy) / dy, (b - oy) / dy
        near, far = max(near, min(t0, t1)), min(far, max(t0, t1))
    elif abs(oy) > b:
        return np.inf
    return near if near <= far else np.inf


@_compiled
def _enter_capsule(ox, oy, oz, dx, dy, dz, r, h):
    dd, od, rest = dx * dx + dz * dz, ox * dx + oz * dz, ox * ox + oz * oz - r * r
    end = h
    if dd > 0.0:
        root = od * od - dd * rest
        if root < 0.0:
            return np.inf
        t = (-od - math.sqrt(root)) / dd
        y = oy + t * dy
        if abs(y) <= h:
            return t
        end = h if y > 0.0 else -h
    else:
        end = -h if dy > 0.0 else h
    return _enter_ellipsoid(ox, oy - end, oz, dx, dy, dz, r, r, r)


@_compiled
def cast(kind, center, rotation, half, eye, view, focal, cx, cy, depth, index):
    """Draw one view: nearest depth and solid of every pixel.

    Args:
        kind, center, rotation, half: The solids, see ``Shapes``.
        eye: ``(3,)`` position of the camera.
        view: ``(3, 3)`` whose columns are the camera's left, down and forward.
        focal, cx, cy: The camera, in pixels.
        depth: ``(H, W)`` float64, filled with infinity by the caller.
        index: ``(H, W)`` int64, filled with -1 by the caller.
    """
    height, width = depth.shape
    for n in range(len(kind)):
        # the solid's axes and middle, and the ray of pixel (u, v), each in the other's frame
        to_camera = np.zeros((3, 3))
        middle = np.zeros(3)
        origin = np.zeros(3)
        for i in range(3):
            for k in range(3):
                middle[i] += view[k, i] * (center[n, k] - eye[k])
                origin[i] += rotation[n, k, i] * (eye[k] - center[n, k])
                for j in range(3):
                    to_camera[i, j] += view[k, i] * rotation[n, k, j]
        a, b, c = half[n, 0], half[n, 1], half[n, 2]
        extent = np.array([a, b + a if kind[n] == 3 else b, c])
        left, right, top, bottom = _pixel_limits(
            to_camera, middle, extent, width, height, focal, cx, cy
        )
        ox, oy, oz = origin[0], origin[1], origin[2]
        for v in range(top, bottom + 1):
            y = (v - cy) / focal
            for u in range(left, right + 1):
                x = -(u - cx) / focal
                dx = to_camera[0, 0] * x + to_camera[1, 0] * y + to_camera[2, 0]
                dy = to_camera[0, 1] * x + to_camera[1, 1] * y + to_camera[2, 1]
                dz = to_camera[0, 2] * x + to_camera[1, 2] * y + to_camera[2, 2]
                if kind[n] == 0:
                    t = _enter_box(ox, oy, oz, dx, dy, dz, a, b, c)
                elif kind[n] == 1:
                    t = _enter_ellipsoid(ox, oy, oz, dx, dy, dz, a, b, c)
                elif kind[n] == 2:
                    t = _enter_cylinder(ox, oy, oz, dx, dy, dz, a, b, c)
                else:
                    t = _enter_capsule(ox, oy, oz, dx, dy, dz, a, b)
                if NEAR <= t < depth[v, u]:
                    depth[v, u] = t
                    index[v, u] = n


@_compiled
def _noise(x, y, z, salt):
    """A number in -1..1 that depends on the unit cell of (x, y, z)."""
    h = (
        np.int64(math.floor(x)) * 73856093
        ^ np.int64(math.floor(y)) * 19349663
        ^ np.int64(math.floor(z)) * 83492791
        ^ np.int64(salt) * 2654435761
    )
    h = (h ^ (h >> 13)) * 1274126177
    return ((h ^ (h >> 16)) & 0xFFFF) / 32767.5 - 1.0


@_compiled
def _textured(texture, x, y, z, along, top, salt):
    """Brightness, and share of the window colour, at a point in a solid's own axes."""
    if texture == 1 and not top:  # windows in a grid of 2.6 x 3 metres
        u = along / 2.6 - math.floor(along / 2.6)
        v = y / 3.0 - math.floor(y / 3.0)
        if 0.25 < u < 0.75 and 0.22 < v < 0.72:
            return 1.0 + 0.3 * _noise(along / 2.6, y / 3.0, 0.0, salt), 1.0
        return 1.0 + 0.05 * _noise(x * 4, y * 8, z * 4, salt), 0.0
    if texture == 2:
        return 1.0 + 0.3 * _noise(x * 5, y * 5, z * 5, salt), 0.0
    if texture == 3:
        return 1.0 + 0.1 * _noise(x * 8, y * 8, z * 8, salt), 0.0
    if texture == 4:
        u, v = x / 0.8 - math.floor(x / 0.8), z / 0.8 - math.floor(z / 0.8)
        seam = u < 0.06 or v < 0.06
        return (0.85 if seam else 1.0) + 0.05 * _noise(x / 0.8, 0.0, z / 0.8, salt), 0.0
    return 1.0 + 0.04 * _noise(x * 6, y * 6, z * 6, salt), 0.0


@_compiled
def shade(kind, center, rotation, half, color, texture, eye, view, focal, cx, cy, depth, index,
          sun, ambient, tint, horizon, zenith, haze, rgb):  # fmt: skip
    """Colour one view.

    Args:
        kind, center, rotation, half, color, texture: The solids, see ``Shapes``.
        eye, view, focal, cx, cy, depth, index: As given to and made by :func:`cast`.
        sun: ``(3,)`` unit vector towards the sun.
        ambient: Share of the light that has no direction.
        tint: ``(3,)`` colour of the light.
        horizon, zenith: ``(3,)`` colours of the sky.
        haze: Distance in metres after which 1/e of a colour is left, the rest is horizon.
        rgb: ``(H, W, 3)`` uint8 to fill.
    """
    height, width = depth.shape
    for v in range(height):
        y = (v - cy) / focal
        for u in range(width):
            x = -(u - cx) / focal
            n = index[v, u]
            if n < 0:
                up = -(view[1, 0] * x + view[1, 1] * y + view[1, 2])
                share = min(1.0, max(0.0, up / math.sqrt(x * x + y * y + 1.0)) * 2.0)
                for k in range(3):
                    rgb[v, u, k] = int(255.0 * ((1 - share) * horizon[k] + share * zenith[k]))
                continue
            point = np.zeros(3)
            for k in range(3):
                at = eye[k] + depth[v, u] * (view[k, 0] * x + view[k, 1] * y + view[k, 2])
                for j in range(3):
                    point[j] += rotation[n, k, j] * (at - center[n, k])
            a, b, c = half[n, 0], half[n, 1], half[n, 2]
            px, py, pz = point[0], point[1], point[2]
            nx, ny, nz, along = 0.0, 0.0, 0.0, 0.0
            if kind[n] == 0:
                ex, ey, ez = abs(abs(px) - a), abs(abs(py) - b), abs(abs(pz) - c)
                if ey <= ex and ey <= ez:
                    ny = math.copysign(1.0, py)
                elif ex <= ez:
                    nx, along = math.copysign(1.0, px), pz
                else:
                    nz, along = math.copysign(1.0, pz), px
            elif kind[n] == 1:
                nx, ny, nz = px / (a * a), py / (b * b), pz / (c * c)
            elif kind[n] == 2:
                if abs(abs(py) - b) < 1e-6:
                    ny = math.copysign(1.0, py)
                else:
                    nx, nz = px / (a * a), pz / (c * c)
            else:
                nx, ny, nz = px, py - min(b, max(-b, py)), pz
            norm = math.sqrt(nx * nx + ny * ny + nz * nz)
            lit = 0.0
            for k in range(3):
                normal = rotation[n, k, 0] * nx + rotation[n, k, 1] * ny + rotation[n, k, 2] * nz
                lit += normal * sun[k]
            light = ambient + (1.0 - ambient) * max(0.0, lit / max(norm, 1e-9))
            level, glass = _textured(texture[n], px, b - py, pz, along, ny != 0.0, n)
            clear = math.exp(-depth[v, u] / haze)
            for k in range(3):
                base = (1.0 - glass) * color[n, k] + glass * (0.12 + 0.06 * k)
                value = clear * base * level * light * tint[k] + (1.0 - clear) * horizon[k]
                rgb[v, u, k] = int(255.0 * min(1.0, max(0.0, value)))
