"""Pictures and points to files."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mmpointvideo.utils.atomic import atomic_write

from .clip import PointClip

POINT_FORMATS = ('ply', 'pcd')
#: in the header of every point file of ours
_MARK = b'comment written by mmpointvideo'
#: fields that a point file has beside the layer's values
_TAKEN = ('x', 'y', 'z', 'red', 'green', 'blue', 'rgb', 'rgba')


def write_png(path: str | os.PathLike, image: np.ndarray) -> Path:
    """Write a picture ``(H, W, 3)`` uint8.

    Raises:
        ValueError: If the path has another suffix than ``.png``.
    """
    if Path(path).suffix.lower() != '.png':
        raise ValueError(f'expected a path that ends in .png, got {os.fspath(path)!r}')
    from matplotlib.image import imsave

    with atomic_write(path) as file:
        imsave(cast(BinaryIO, file), image, format='png')
    return Path(path)


def write_gif(path: str | os.PathLike, images: Iterable[np.ndarray], fps: float = 10) -> Path:
    """Write pictures ``(H, W, 3)`` uint8 of equal size as a GIF that repeats.

    Raises:
        ImportError: If imageio is not installed.
        ValueError: If there is no picture.
    """
    iio = _imageio()
    frames = list(images)
    _check_pictures(frames)
    with atomic_write(path) as file:
        iio.imwrite(file, np.stack(frames), extension='.gif', duration=1000 / fps, loop=0)
    return Path(path)


def write_mp4(path: str | os.PathLike, images: Iterable[np.ndarray], fps: float = 10) -> Path:
    """Write pictures ``(H, W, 3)`` uint8 of equal, even size as H.264 video.

    Raises:
        ImportError: If imageio or its ffmpeg is not installed.
        ValueError: If there is no picture.
    """
    iio = _imageio('imageio_ffmpeg')
    frames = list(images)
    _check_pictures(frames)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f'.{target.stem}.{os.getpid()}.tmp.mp4')
    try:
        with iio.imopen(aside, 'w', plugin='FFMPEG') as writer:
            writer.write(np.stack(frames), fps=fps, codec='libx264', macro_block_size=2)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    return target


def write_points(
    folder: str | os.PathLike, clip: PointClip, color: str = 'height', file_format: str = 'ply'
) -> list[Path]:
    """Write a clip as one point cloud a frame, with colours and the class or number.

    Coordinates are the clip's own, not turned. The value's field has the layer's name, in letters
    of ASCII, digits and ``_``. The frames that an earlier, longer clip left in the folder are
    removed: it holds this clip and no other.

    Args:
        folder: Where ``000000.ply``, ``000001.ply``, ... go.
        clip: The clip.
        color: The layer that gives ``rgb`` and the value of a point.
        file_format: ``'ply'`` or ``'pcd'``, binary.

    Returns:
        The files.

    Raises:
        ValueError: If the format or the layer is unknown, or the folder holds numbered point
            files of somebody else.
    """
    if file_format not in POINT_FORMATS:
        raise ValueError(f'file_format: expected one of {POINT_FORMATS}, got {file_format!r}')
    layer = clip.layer(color)
    before = earlier_points(folder)
    name = field_name(color)
    paths = []
    for t, xyz in enumerate(clip.frames):
        path = Path(folder) / f'{t:06d}.{file_format}'
        value = layer.values[t].astype('<f4' if layer.names is None else '<i4')
        head, records = _ENCODERS[file_format](xyz, layer.rgb(t), value, name)
        with atomic_write(path) as file:
            file.write(head.encode('ascii') + records.tobytes())
        paths.append(path)
    for path in before - set(paths):
        path.unlink()
    return paths


def earlier_points(folder: str | os.PathLike) -> set[Path]:
    """The numbered files that an earlier :func:`write_points` left in a folder.

    Raises:
        ValueError: If one of them is not ours.
    """
    found = {
        path
        for path in Path(folder).glob('[0-9]*.*')
        if re.fullmatch(rf'[0-9]{{6,}}\.({"|".join(POINT_FORMATS)})', path.name.lower())
    }
    for path in sorted(found):
        with open(path, 'rb') as file:
            if _MARK not in file.read(200):
                raise ValueError(
                    f'{path} was not written by this function, and would be read as a frame of '
                    'the clip: choose another folder'
                )
    return found


def field_name(layer: str) -> str:
    """A name for a layer's values in a point file, which every reader takes."""
    name = re.sub(r'[^A-Za-z0-9]+', '_', layer).strip('_')
    return name if name and name.lower() not in _TAKEN else f'value_{name}'.rstrip('_')


def _ply(xyz: np.ndarray, rgb: np.ndarray, value: np.ndarray, name: str) -> tuple[str, np.ndarray]:
    kind = 'float' if value.dtype.kind == 'f' else 'int'
    fields = [(axis, '<f4') for axis in 'xyz'] + [(c, 'u1') for c in ('red', 'green', 'blue')]
    records = np.empty(len(xyz), [*fields, (name, value.dtype)])
    for i, (axis, channel) in enumerate(zip('xyz', ('red', 'green', 'blue'), strict=True)):
        records[axis], records[channel] = xyz[:, i], rgb[:, i]
    records[name] = value
    types = ['float'] * 3 + ['uchar'] * 3 + [kind]
    names = records.dtype.names or ()
    properties = ''.join(f'property {t} {n}\n' for t, n in zip(types, names, strict=True))
    head = (
        f'ply\nformat binary_little_endian 1.0\n{_MARK.decode()}\n'
        f'element vertex {len(xyz)}\n{properties}'
    )
    return f'{head}end_header\n', records


def _pcd(xyz: np.ndarray, rgb: np.ndarray, value: np.ndarray, name: str) -> tuple[str, np.ndarray]:
    fields = [(axis, '<f4') for axis in 'xyz'] + [('rgb', '<u4'), (name, value.dtype)]
    records = np.empty(len(xyz), fields)
    for i, axis in enumerate('xyz'):
        records[axis] = xyz[:, i]
    red, green, blue = rgb.astype(np.uint32).T
    records['rgb'] = red << 16 | green << 8 | blue
    records[name] = value
    kind = 'F' if value.dtype.kind == 'f' else 'I'
    head = (
        f'# .PCD v0.7 - Point Cloud Data file format\n# {_MARK.decode()}\nVERSION 0.7\n'
        f'FIELDS x y z rgb {name}\nSIZE 4 4 4 4 4\nTYPE F F F U {kind}\nCOUNT 1 1 1 1 1\n'
        f'WIDTH {len(xyz)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(xyz)}\nDATA binary\n'
    )
    return head, records


_ENCODERS = {'ply': _ply, 'pcd': _pcd}


def _imageio(*more: str) -> Any:
    for name in ('imageio', *more):
        require(name, 'GIF and MP4 files')
    return importlib.import_module('imageio.v3')


def require(name: str, purpose: str) -> Any:
    """Import an optional package.

    Raises:
        ImportError: If it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{purpose} need the package {name!r}: pip install "mmpointvideo[vis]"'
        ) from error


def _check_pictures(frames: list[np.ndarray]) -> None:
    if not frames:
        raise ValueError('expected at least one picture, got none')
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        raise ValueError(f'expected pictures of one size, got {sorted(shapes)}')
