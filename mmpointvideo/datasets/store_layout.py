"""Layout of a frame store: what writer and reader share.

See :mod:`mmpointvideo.datasets.storage` for the picture of the file.
"""

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from . import frame_codec as codec

SUFFIX = '.pvs'
CHANNEL_DTYPES = ('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32')
XYZ_DTYPES = ('float32', 'int16', 'int32')
CAMERA_KEYS = ('width', 'height', 'focal', 'cx', 'cy')

_MAGIC = b'\x93PVS\r\n\x1a\n'
_VERSION = 1
# magic, version, number of frames, offset and size of the header, size of the index, their CRCs
_PREAMBLE = struct.Struct('<8sIIQIQII')
PREAMBLE_SIZE = 64  # padded with zeros, the last 4 bytes are the CRC of the others
MAX_HEADER = 1 << 24
MAX_COLUMNS = 1024


class PointVideoStoreError(ValueError):
    """A store is truncated, damaged or no store at all; the text names file and frame."""


class Preamble(NamedTuple):
    """The first 64 bytes of a store, decoded."""

    num_frames: int
    header_offset: int
    header_size: int
    index_size: int
    header_crc: int
    index_crc: int


def pack_preamble(preamble: Preamble) -> bytes:
    """Encode the preamble, with its own checksum at the end."""
    data = _PREAMBLE.pack(_MAGIC, _VERSION, *preamble).ljust(PREAMBLE_SIZE - 4, b'\0')
    return data + struct.pack('<I', zlib.crc32(data))


def unpack_preamble(data: bytes) -> Preamble:
    """Undo :func:`pack_preamble`.

    Raises:
        ValueError: If this is no preamble, a damaged one, or one of another version.
    """
    if not data.startswith(_MAGIC):
        raise ValueError('not a point video store (wrong magic)')
    if zlib.crc32(data[:-4]) != struct.unpack('<I', data[-4:])[0]:
        raise ValueError('the preamble is damaged (checksum)')
    _, version, *fields = _PREAMBLE.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f'version {version} is not supported, expected {_VERSION}')
    return Preamble(*fields)


def index_dtype(num_blocks: int) -> np.dtype:
    """One entry of the index: number of points; per block stored size, inflated size, CRC-32."""
    u4 = np.dtype('<u4')
    return np.dtype([('num_points', u4)] + [(k, u4, (num_blocks,)) for k in ('size', 'raw', 'crc')])


def check_camera(camera: Mapping[str, Any]) -> dict[str, float]:
    """Check a camera and fill in the principal point (the image's middle)."""
    cam = {str(k): v for k, v in camera.items()}
    for key, size in (('cx', 'width'), ('cy', 'height')):
        if key not in cam and isinstance(cam.get(size), int):
            cam[key] = cam[size] / 2
    numbers = all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
        for v in cam.values()
    )
    if set(cam) != set(CAMERA_KEYS) or not numbers or cam['focal'] <= 0:
        raise ValueError(f'camera: expected finite numbers {CAMERA_KEYS}, focal > 0, got {camera}')
    height, width = cam['height'], cam['width']
    if not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
        raise ValueError(f'camera: expected integer height and width above 0, got {camera}')
    if max(height, width) > 65535 or height * width > codec.MAX_IMAGE_PIXELS:
        raise ValueError(f'camera: {height} x {width} exceeds {codec.MAX_IMAGE_PIXELS} pixels')
    return cam


def check_channels(channels: Any) -> dict[str, tuple[np.dtype, int]]:
    """Bring ``{name: dtype}`` or ``{name: (dtype, columns)}`` to the second form, checked."""
    out = {}
    for name, spec in channels.items():
        kind, columns = spec if isinstance(spec, tuple | list) else (spec, 1)
        dtype = np.dtype(kind)
        if not isinstance(name, str) or not name or name == 'xyz':
            raise ValueError(f"channels: expected a name other than 'xyz', got {name!r}")
        if dtype.name not in CHANNEL_DTYPES:
            raise ValueError(f'channel {name!r}: expected one of {CHANNEL_DTYPES}, got {dtype}')
        if not isinstance(columns, int) or not 1 <= columns <= MAX_COLUMNS:
            raise ValueError(f'channel {name!r}: expected 1..{MAX_COLUMNS} columns, got {columns}')
        out[name] = (dtype, columns)
    return out
