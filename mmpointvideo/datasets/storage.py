"""The frame store: one file a video, random access to frames, no pickle.

A store (suffix ``.pvs``) is written once and then only read::

    preamble   64 bytes: magic, version, sizes, checksums
    frames     per frame one block of coordinates and one block per channel, back to back
    header     JSON: encoding, camera, unit, channels, meta
    index      per frame: number of points, and per block its sizes and CRC-32

Two encodings. ``depth`` keeps the integer depth image exactly (bounding box, bit mask, deflated
residuals) and gives points ``x = (u - cx) / focal * z``, ``y = (v - cy) / focal * z``, ``z``, so
y points down as the rows do. ``points`` keeps coordinates as they are.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import frame_codec as codec
from .depth_points import camera_rays, fill_points
from .store_layout import (
    CHANNEL_DTYPES,
    MAX_HEADER,
    PREAMBLE_SIZE,
    SUFFIX,
    XYZ_DTYPES,
    PointVideoStoreError,
    check_camera,
    check_channels,
    index_dtype,
    unpack_preamble,
)
from .store_writer import PointVideoWriter

__all__ = [
    'CHANNEL_DTYPES',
    'SUFFIX',
    'XYZ_DTYPES',
    'FrameBatch',
    'PointVideoStore',
    'PointVideoStoreError',
    'PointVideoWriter',
]


@dataclass(frozen=True)
class FrameBatch:
    """Points of several frames, concatenated.

    Attributes:
        xyz: ``(M, 3)`` float32, in the store's unit.
        channels: Name to ``(M,)`` or ``(M, columns)``.
        offsets: ``(T + 1,)`` int64; frame ``t`` is ``xyz[offsets[t]:offsets[t + 1]]``.
    """

    xyz: np.ndarray
    channels: dict[str, np.ndarray]
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def frame(self, index: int) -> np.ndarray:
        """Coordinates ``(n, 3)`` of the ``index``-th frame of the batch (a view)."""
        return self.xyz[self.offsets[index] : self.offsets[index + 1]]


class PointVideoStore:
    """Read a frame store.

    Opening reads preamble, header and index only. Every read opens the file, takes the blocks of
    the wanted frames by ``os.pread`` and closes it, so a store can be shared by threads, forked
    and spawned workers, holds no descriptor and pickles as a few kilobytes.

    Memory is bounded by the file: opening allocates no more than the file's size (header and
    index, the header at most 16 MiB); a block inflates to at most 1032 times its stored size
    (deflate's limit; a larger claim is refused unread) and decoding takes at most 32 bytes per
    inflated byte; images have at most 2**22 pixels, for which tables take 8 bytes each. Every
    offset and size is checked against the file before anything is allocated.

    Args:
        path: A file written by :class:`PointVideoWriter`.

    Raises:
        FileNotFoundError: If there is no such file.
        PointVideoStoreError: If it is not an intact store.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = str(path)
        with self._open() as fd:
            self._load(fd)

    def _load(self, fd: int) -> None:
        file_size = os.fstat(fd).st_size
        data = self._pread(fd, PREAMBLE_SIZE, 0, 'preamble')
        try:
            preamble = unpack_preamble(data)
        except ValueError as error:
            raise self._error(str(error)) from None
        self.num_frames = preamble.num_frames
        offset, header_size = preamble.header_offset, preamble.header_size
        expected = offset + header_size + preamble.index_size
        if expected != file_size or offset < PREAMBLE_SIZE or header_size > MAX_HEADER:
            raise self._error(
                f'truncated or extended: expected {expected} bytes, the file has {file_size}'
            )
        header = self._pread(fd, header_size, offset, 'header')
        index = self._pread(fd, preamble.index_size, offset + header_size, 'index')
        if zlib.crc32(header) != preamble.header_crc or zlib.crc32(index) != preamble.index_crc:
            raise self._error('header or index is damaged (checksum)')
        try:
            self._parse_header(header)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise self._error(f'invalid header: {error}') from None
        self._parse_index(index, offset)

    def _parse_header(self, data: bytes) -> None:
        header = json.loads(data)
        if header['format'] != 'point_video_store':
            raise ValueError(f'format {header["format"]!r}')
        self.encoding: str = header['encoding']
        if self.encoding not in ('depth', 'points') or header['xyz_dtype'] not in XYZ_DTYPES:
            raise ValueError(f'encoding {self.encoding!r} of {header["xyz_dtype"]!r}')
        self.xyz_dtype = np.dtype(header['xyz_dtype'])
        self.camera: dict[str, float] | None = None
        if self.encoding == 'depth':
            self.camera = check_camera(header['camera'])
        self.unit = str(header['unit'])
        self.channels = check_channels(header['channels'])
        self.meta: dict[str, Any] = dict(header['meta'])

    def _parse_index(self, data: bytes, end: int) -> None:
        dtype = index_dtype(1 + len(self.channels))
        if len(data) != self.num_frames * dtype.itemsize:
            raise self._error(f'{len(data)} bytes of index are not {self.num_frames} frames')
        index = np.frombuffer(data, dtype)
        sizes = index['size'].astype(np.int64)
        offsets = PREAMBLE_SIZE + np.concatenate([[0], np.cumsum(sizes)])
        if offsets[-1] != end:
            raise self._error('the frames in the index do not fill the file')
        self.num_points = index['num_points'].astype(np.int64)
        self._sizes, self._crc = sizes, index['crc']
        self._raw = index['raw'].astype(np.int64)
        self._offsets = offsets[:-1].reshape(sizes.shape)
        floor = self.num_points[:, None] * np.array(self._point_bytes())
        bad = (self._raw > codec.MAX_DEFLATE_RATIO * sizes) | (self._raw < floor)
        if bad.any():
            frame = int(np.flatnonzero(bad.any(axis=1))[0])
            raise self._error('the index claims more points than the frame can hold', frame)

    def _point_bytes(self) -> list[int]:
        """Smallest number of inflated bytes per point, by block."""
        coords = 1 if self.encoding == 'depth' else 3 * self.xyz_dtype.itemsize
        return [coords] + [dtype.itemsize * columns for dtype, columns in self.channels.values()]

    def __len__(self) -> int:
        return self.num_frames

    def __repr__(self) -> str:
        return f'PointVideoStore({self.path!r}, {self.encoding}, {self.num_frames} frames)'

    def _error(self, text: str, frame: int | None = None) -> PointVideoStoreError:
        where = self.path if frame is None else f'{self.path}, frame {frame}'
        return PointVideoStoreError(f'{where}: {text}')

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        fd = os.open(self.path, os.O_RDONLY | getattr(os, 'O_BINARY', 0))
        try:
            yield fd
        finally:
            os.close(fd)

    def _pread(self, fd: int, size: int, offset: int, what: str) -> bytes:
        data = os.pread(fd, size, offset)
        if len(data) != size:
            raise self._error(f'truncated: {what} needs {size} bytes, {len(data)} are there')
        return data

    def _block(self, fd: int, frame: int, block: int) -> bytes:
        data = self._pread(
            fd, int(self._sizes[frame, block]), int(self._offsets[frame, block]), f'frame {frame}'
        )
        if zlib.crc32(data) != self._crc[frame, block]:
            raise self._error('damaged (checksum)', frame)
        return data

    def _depth(self, fd: int, frame: int) -> codec.DepthParts:
        assert self.camera is not None
        try:
            return codec.split_depth(
                self._block(fd, frame, 0),
                int(self._raw[frame, 0]),
                int(self.num_points[frame]),
                int(self.camera['height']),
                int(self.camera['width']),
            )
        except PointVideoStoreError:
            raise
        except ValueError as error:
            raise self._error(str(error), frame) from None

    def _array(self, fd: int, frame: int, block: int, columns: int, dtype: np.dtype) -> np.ndarray:
        try:
            return codec.decode_array(
                self._block(fd, frame, block),
                int(self._raw[frame, block]),
                (int(self.num_points[frame]), columns),
                dtype,
            )
        except PointVideoStoreError:
            raise
        except ValueError as error:
            raise self._error(str(error), frame) from None

    def _check_frames(self, frame_inds: Sequence[int] | np.ndarray) -> np.ndarray:
        frames = np.asarray(frame_inds)
        if frames.size == 0:
            frames = frames.astype(np.int64)
        if frames.ndim != 1 or frames.dtype.kind not in 'iu':
            raise TypeError(f'frame_inds: expected a sequence of integers, got {frame_inds!r}')
        if frames.size and (frames.min() < 0 or frames.max() >= self.num_frames):
            raise IndexError(
                f'{self.path}: expected frames 0..{self.num_frames - 1}, '
                f'got {frames.min()}..{frames.max()}'
            )
        return frames

    def read(
        self, frame_inds: Sequence[int] | np.ndarray, channels: Sequence[str] | None = None
    ) -> FrameBatch:
        """Read the points of some frames.

        Args:
            frame_inds: ``(T,)`` frame numbers, in any order, repetitions allowed.
            channels: Names of the channels to read; all by default.

        Returns:
            The points, frame after frame in the order asked for.

        Raises:
            IndexError: If the video has no such frame.
            ValueError: If it has no such channel.
            PointVideoStoreError: If the file is damaged.
        """
        frames = self._check_frames(frame_inds)
        names = list(self.channels) if channels is None else list(channels)
        unknown = [name for name in names if name not in self.channels]
        if unknown:
            raise ValueError(f'{self.path}: no channel {unknown}, it has {list(self.channels)}')
        offsets = np.concatenate([[0], np.cumsum(self.num_points[frames])]).astype(np.int64)
        xyz = np.empty((offsets[-1], 3), np.float32)
        arrays = {}
        for name in names:
            dtype, columns = self.channels[name]
            arrays[name] = np.empty((offsets[-1], columns), dtype)
        order = list(self.channels)
        with self._open() as fd:
            for t, frame in enumerate(frames.tolist()):
                part = slice(offsets[t], offsets[t + 1])
                if self.encoding == 'depth':
                    self._fill(fd, frame, xyz[part])
                else:
                    xyz[part] = self._array(fd, frame, 0, 3, self.xyz_dtype)
                for name in names:
                    dtype, columns = self.channels[name]
                    block = 1 + order.index(name)
                    arrays[name][part] = self._array(fd, frame, block, columns, dtype)
        flat = {k: v[:, 0] if self.channels[k][1] == 1 else v for k, v in arrays.items()}
        return FrameBatch(xyz, flat, offsets)

    def _fill(self, fd: int, frame: int, xyz: np.ndarray) -> None:
        """Write the points ``(n, 3)`` of a depth frame."""
        cam = self.camera
        assert cam is not None
        rays = camera_rays(
            int(cam['height']), int(cam['width']), cam['focal'], cam['cx'], cam['cy']
        )
        parts = self._depth(fd, frame)
        try:
            fill_points(xyz, parts, rays)
        except ValueError as error:
            raise self._error(str(error), frame) from None

    def read_depth(self, frame: int) -> np.ndarray:
        """The depth image ``(H, W)`` uint32 of a frame, exactly as it was written.

        Raises:
            ValueError: If the store does not hold depth images.
            IndexError: If the video has no such frame.
            PointVideoStoreError: If the file is damaged.
        """
        if self.camera is None:
            raise ValueError(f"{self.path}: read_depth needs encoding 'depth', it is 'points'")
        index = int(self._check_frames([frame])[0])
        with self._open() as fd:
            parts = self._depth(fd, index)
        try:
            part = codec.join_depth(parts)
        except ValueError as error:
            raise self._error(str(error), index) from None
        image = np.zeros((int(self.camera['height']), int(self.camera['width'])), np.uint32)
        h, w = part.mask.shape
        image[part.v0 : part.v0 + h, part.u0 : part.u0 + w][part.mask] = part.depth
        return image

    def verify(self, decode: bool = True) -> None:
        """Check every frame's checksums and, with ``decode``, decode everything once.

        Raises:
            PointVideoStoreError: At the first damaged frame.
        """
        with self._open() as fd:
            for frame in range(self.num_frames):
                for block in range(1 + len(self.channels)):
                    self._block(fd, frame, block)
        if decode:
            for frame in range(self.num_frames):
                self.read([frame])
