"""What converters of published points share: clouds of float coordinates into a frame store."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmpointvideo.datasets.storage import PointVideoWriter


def leave_out_nan(clouds: list[np.ndarray], repairs: list[str]) -> None:
    """Remove points that are not finite, in place, with a line in ``repairs`` for each frame.

    Args:
        clouds: ``(n, 3)`` points of every frame.
        repairs: Added to.
    """
    for index, cloud in enumerate(clouds):
        good = np.isfinite(cloud).all(axis=1)
        if not good.all():
            clouds[index] = cloud[good]
            number = int((~good).sum())
            repairs.append(f'frame {index}: {number} points with NaN or infinity left out')


def points_to_depth(xyz: np.ndarray, camera: Mapping[str, float]) -> np.ndarray | None:
    """The depth image that points were computed from, if they were.

    Args:
        xyz: ``(n, 3)`` points of the camera.
        camera: The camera.

    Returns:
        ``(H, W)`` int32, or None unless every point lies on a pixel of its own at an integer
        depth, up to the rounding of float32.
    """
    height, width = int(camera['height']), int(camera['width'])
    image = np.zeros((height, width), np.int32)
    if not len(xyz):
        return image
    xyz = xyz.astype(np.float64)
    z = np.rint(xyz[:, 2])
    if not (np.isfinite(xyz).all() and (z == xyz[:, 2]).all() and z.min() > 0):
        return None
    if z.max() >= 2**24:
        return None
    u = xyz[:, 0] * camera['focal'] / z + camera['cx']
    v = xyz[:, 1] * camera['focal'] / z + camera['cy']
    cols, rows = np.rint(u), np.rint(v)
    if max(np.abs(u - cols).max(), np.abs(v - rows).max()) > 1e-3:
        return None
    if min(cols.min(), rows.min()) < 0 or cols.max() >= width or rows.max() >= height:
        return None
    cell = rows.astype(np.int64) * width + cols.astype(np.int64)
    if len(np.unique(cell)) != len(cell):
        return None
    image.ravel()[cell] = z
    return image


def write_clouds(
    store_path: str | os.PathLike,
    clouds: Sequence[np.ndarray],
    camera: Mapping[str, float],
    unit: str,
    meta: dict[str, Any],
) -> None:
    """Write a video: as depth where every frame is depth pixels carried to 3D, else as points.

    Args:
        store_path: Where the store shall be.
        clouds: ``(n, 3)`` finite points of every frame.
        camera: The camera that the points were computed with.
        unit: Of the points.
        meta: Of the store.
    """
    images = []
    for cloud in clouds:
        image = points_to_depth(cloud, camera)
        if image is None:
            break
        images.append(image)
    if len(images) == len(clouds):
        with PointVideoWriter(store_path, camera=camera, unit=unit, meta=meta) as writer:
            for image in images:
                writer.append_depth(image)
    else:
        with PointVideoWriter(store_path, 'points', unit=unit, meta=meta) as writer:
            for cloud in clouds:
                writer.append_points(cloud)
