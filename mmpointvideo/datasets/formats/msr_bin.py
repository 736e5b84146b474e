"""Raw depth videos of MSR-Action3D: ``aAA_sSS_eEE_sdepth.bin``.

Little-endian int32 number of frames, width and height, then frame after frame ``H x W`` uint32
depths, 0 where nothing was measured.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpointvideo.datasets.frame_codec import MAX_IMAGE_PIXELS

_HEADER = struct.Struct('<iii')


class MSRHeader(NamedTuple):
    """Header of a raw depth video."""

    num_frames: int
    width: int
    height: int


def read_msr_header(path: str | os.PathLike) -> MSRHeader:
    """Read the header of a raw depth video and check it against the file's size.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, longer than its header says, or not of this
            format.
    """
    path = Path(path)
    size = path.stat().st_size
    with open(path, 'rb') as file:
        data = file.read(_HEADER.size)
    if len(data) < _HEADER.size:
        raise ValueError(f'{path}: expected a header of {_HEADER.size} bytes, the file has {size}')
    header = MSRHeader(*_HEADER.unpack(data))
    frames, width, height = header
    if frames < 1 or width < 1 or height < 1 or width * height > MAX_IMAGE_PIXELS:
        raise ValueError(
            f'{path}: not a raw MSR depth video: the header says {frames} frames of '
            f'{width} x {height} pixels'
        )
    expected = _HEADER.size + 4 * frames * width * height
    if size != expected:
        what = 'truncated' if size < expected else 'oversized'
        raise ValueError(
            f'{path}: {what}: {frames} frames of {width} x {height} pixels need {expected} bytes, '
            f'the file has {size}; copy it again'
        )
    return header


def iter_msr_frames(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """Yield the depth images ``(H, W)`` uint32 of a raw video, one at a time.

    Holds one frame in memory, whatever the header says: its size is checked against the file's
    first.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: See :func:`read_msr_header`.
    """
    frames, width, height = read_msr_header(path)
    with open(path, 'rb') as file:
        file.seek(_HEADER.size)
        for index in range(frames):
            data = file.read(4 * width * height)
            if len(data) != 4 * width * height:
                raise ValueError(f'{path}: truncated in frame {index}')
            yield np.frombuffer(data, '<u4').reshape(height, width)
