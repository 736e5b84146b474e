"""Raw depth videos of MSR-Action3D: ``aAA_sSS_eEE_sdepth.bin``.

Little-endian int32 number of frames, width and height, then frame after frame ``H x W`` uint32
depths, 0 where nothing was measured.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpointvideo.datasets.frame_codec import MAX_IMAGE_PIXELS
from mmpointvideo.utils.atomic import atomic_write

_HEADER = struct.Struct('<iii')


class MSRHeader(NamedTuple):
    """Header of a raw depth video."""

    num_frames: int
    width: int
    height: int


def msr_bin_size(num_frames: int, width: int, height: int) -> int:
    """Bytes of a raw depth video."""
    return _HEADER.size + 4 * num_frames * width * height


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
    expected = msr_bin_size(frames, width, height)
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


def write_msr_bin(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    num_frames: int,
    width: int = 320,
    height: int = 240,
) -> None:
    """Write a raw depth video, atomically.

    Args:
        path: Where the file shall be.
        frames: Depth images ``(H, W)`` of unsigned integers, 0 is background.
        num_frames: How many there are.
        width: Of the images.
        height: Of the images.

    Raises:
        ValueError: If the frames are not as announced; nothing is written then.
    """
    written = 0
    with atomic_write(path) as file:
        file.write(_HEADER.pack(num_frames, width, height))
        for frame in frames:
            if frame.shape != (height, width) or frame.dtype.kind != 'u':
                raise ValueError(
                    f'{path}, frame {written}: expected unsigned integers of shape '
                    f'{(height, width)}, got {frame.dtype} {frame.shape}'
                )
            file.write(frame.astype('<u4').tobytes())
            written += 1
        if written != num_frames:
            raise ValueError(f'{path}: expected {num_frames} frames, got {written}')
