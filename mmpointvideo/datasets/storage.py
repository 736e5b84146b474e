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
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mmpointvideo.utils.atomic import atomic_write

from . import frame_codec as codec

SUFFIX = '.pvs'
CHANNEL_DTYPES = ('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32')
XYZ_DTYPES = ('float32', 'int16', 'int32')
CAMERA_KEYS = ('width', 'height', 'focal', 'cx', 'cy')

_MAGIC = b'\x93PVS\r\n\x1a\n'
_VERSION = 1
# magic, version, number of frames, offset and size of the header, size of the index, their CRCs
_PREAMBLE = struct.Struct('<8sIIQIQII')
_PREAMBLE_SIZE = 64  # padded with zeros, the last 4 bytes are the CRC of the others
_MAX_HEADER = 1 << 24
_MAX_COLUMNS = 1024


class PointVideoStoreError(ValueError):
    """A store is truncated, damaged or no store at all; the text names file and frame."""


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


def _index_dtype(num_blocks: int) -> np.dtype:
    u4 = np.dtype('<u4')
    return np.dtype([('num_points', u4)] + [(k, u4, (num_blocks,)) for k in ('size', 'raw', 'crc')])


def _check_camera(camera: Mapping[str, Any]) -> dict[str, float]:
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


def _check_channels(channels: Any) -> dict[str, tuple[np.dtype, int]]:
    """Bring ``{name: dtype}`` or ``{name: (dtype, columns)}`` to the second form, checked."""
    out = {}
    for name, spec in channels.items():
        kind, columns = spec if isinstance(spec, tuple | list) else (spec, 1)
        dtype = np.dtype(kind)
        if not isinstance(name, str) or not name or name == 'xyz':
            raise ValueError(f"channels: expected a name other than 'xyz', got {name!r}")
        if dtype.name not in CHANNEL_DTYPES:
            raise ValueError(f'channel {name!r}: expected one of {CHANNEL_DTYPES}, got {dtype}')
        if not isinstance(columns, int) or not 1 <= columns <= _MAX_COLUMNS:
            raise ValueError(f'channel {name!r}: expected 1..{_MAX_COLUMNS} columns, got {columns}')
        out[name] = (dtype, columns)
    return out


@lru_cache(maxsize=8)
def _rays(width: int, focal: float, center: float) -> np.ndarray:
    """``(width,)`` float32: the factors that turn a depth into a coordinate."""
    return ((np.arange(width) - center) / focal).astype(np.float32)


class PointVideoWriter:
    """Write one frame store; use as a context manager.

    The file appears at ``path`` when the block ends without an exception, and not before: frames
    go to a temporary file beside it.

    Args:
        path: Where the store shall be; by convention it ends in ``.pvs``.
        encoding: ``'depth'`` or ``'points'``.
        camera: For ``'depth'``: ``width``, ``height``, ``focal`` in pixels and the principal point
            ``cx``, ``cy`` (by default the middle).
        channels: Per-point values beside the coordinates: name to dtype, or to
            ``(dtype, columns)``; dtypes in ``CHANNEL_DTYPES``.
        xyz_dtype: For ``'points'``: the stored type, ``'float32'``, ``'int16'`` or ``'int32'``.
        unit: Name of the unit of the coordinates, for people.
        meta: Anything JSON holds.

    Raises:
        ValueError: If an argument is not as described.

    Examples:
        >>> import numpy as np, tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.pvs')
        >>> with PointVideoWriter(path, encoding='points') as writer:
        ...     writer.append_points(np.zeros((5, 3)))
        >>> PointVideoStore(path).read([0, 0]).offsets.tolist()
        [0, 5, 10]
    """

    def __init__(
        self,
        path: str | os.PathLike,
        encoding: str = 'depth',
        camera: Mapping[str, Any] | None = None,
        channels: Mapping[str, Any] | None = None,
        xyz_dtype: str = 'float32',
        unit: str = '',
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        if encoding not in ('depth', 'points'):
            raise ValueError(f"encoding: expected 'depth' or 'points', got {encoding!r}")
        if (camera is None) == (encoding == 'depth'):
            raise ValueError("camera: expected with encoding 'depth', and only with it")
        if xyz_dtype not in XYZ_DTYPES:
            raise ValueError(f'xyz_dtype: expected one of {XYZ_DTYPES}, got {xyz_dtype!r}')
        self.path = Path(path)
        self.encoding = encoding
        self.camera = None if camera is None else _check_camera(camera)
        self.channels = _check_channels(channels or {})
        self.xyz_dtype = np.dtype(xyz_dtype)
        header = dict(
            format='point_video_store',
            encoding=encoding,
            camera=self.camera,
            xyz_dtype=xyz_dtype,
            unit=unit,
            channels={k: [dtype.name, columns] for k, (dtype, columns) in self.channels.items()},
            meta=dict(meta or {}),
        )
        self._header = json.dumps(header, allow_nan=False).encode()
        if len(self._header) > _MAX_HEADER:
            raise ValueError(f'meta: {len(self._header)} bytes exceed {_MAX_HEADER}')
        self._entries: list[tuple[int, list[int], list[int], list[int]]] = []
        self._file: Any = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> 'PointVideoWriter':
        self._file = self._stack.enter_context(atomic_write(self.path))
        self._file.write(bytes(_PREAMBLE_SIZE))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            with self._stack:  # an error while finishing removes the temporary file too
                self._finish()
        else:
            self._stack.__exit__(kind, error, trace)

    @property
    def num_frames(self) -> int:
        """Frames appended so far."""
        return len(self._entries)

    def append_depth(
        self, depth: np.ndarray, labels: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Append a depth image.

        Args:
            depth: ``(H, W)`` integers in ``0..2**31-1``; 0 is background.
            labels: One image ``(H, W)`` (``(H, W, columns)``) per channel; kept where depth > 0.

        Raises:
            TypeError: If ``depth`` is not of an integer type.
            ValueError: If shapes, values or channel names do not fit.
        """
        if self.camera is None:
            raise ValueError("append_depth needs encoding 'depth', this store has 'points'")
        depth = np.asarray(depth)
        if depth.dtype.kind not in 'iu':
            raise TypeError(f'depth: expected integers, got {depth.dtype}')
        shape = (self.camera['height'], self.camera['width'])
        if depth.shape != shape:
            raise ValueError(f'depth: expected {shape}, got {depth.shape}')
        if depth.min() < 0 or depth.max() > codec.MAX_DEPTH:
            raise ValueError(
                f'depth: expected 0..{codec.MAX_DEPTH}, got {depth.min()}..{depth.max()}'
            )
        block, mask = codec.encode_depth(depth)
        images = {}
        for name, image in (labels or {}).items():
            if np.shape(image)[:2] != shape:
                raise ValueError(f'label {name!r}: expected {shape}, got {np.shape(image)}')
            images[name] = np.asarray(image)[mask]
        self._append(int(np.count_nonzero(mask)), block, images)

    def append_points(
        self, xyz: np.ndarray, channels: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Append a point cloud.

        Args:
            xyz: ``(n, 3)`` finite; values must fit ``xyz_dtype`` (float64 is rounded to float32).
            channels: ``(n,)`` or ``(n, columns)`` per channel.

        Raises:
            ValueError: If shapes, values or channel names do not fit.
        """
        if self.encoding != 'points':
            raise ValueError("append_points needs encoding 'points', this store has 'depth'")
        xyz = np.asarray(xyz)
        if xyz.ndim != 2 or xyz.shape[1] != 3:
            raise ValueError(f'xyz: expected (n, 3), got {xyz.shape}')
        stored = self._cast('xyz', xyz, self.xyz_dtype)
        if not np.isfinite(stored).all():
            raise ValueError(f'xyz: frame {self.num_frames} holds NaN, infinite or huge values')
        self._append(len(xyz), codec.encode_array(stored), channels or {})

    @staticmethod
    def _cast(name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        with np.errstate(over='ignore', invalid='ignore'):
            out = values.astype(dtype)
        if dtype.kind != 'f' and not np.array_equal(out, values):
            raise ValueError(f'{name}: values do not fit {dtype}')
        return out

    def _append(
        self, num_points: int, block: codec.Block, arrays: Mapping[str, np.ndarray]
    ) -> None:
        if self._file is None:
            raise RuntimeError('the store is not open: use `with PointVideoWriter(...) as writer:`')
        if set(arrays) != set(self.channels):
            raise ValueError(f'channels: expected {sorted(self.channels)}, got {sorted(arrays)}')
        blocks = [block]
        for name, (dtype, columns) in self.channels.items():
            values = np.asarray(arrays[name])
            if values.size != num_points * columns or len(values) != num_points:
                wanted = (num_points, columns)
                raise ValueError(f'channel {name!r}: expected {wanted}, got {values.shape}')
            values = self._cast(name, values.reshape(num_points, columns), dtype)
            blocks.append(codec.encode_array(values))
        for part in blocks:
            self._file.write(part.data)
        self._entries.append(
            (
                num_points,
                [len(b.data) for b in blocks],
                [b.raw_size for b in blocks],
                [zlib.crc32(b.data) for b in blocks],
            )
        )

    def _finish(self) -> None:
        index = np.array(self._entries, _index_dtype(1 + len(self.channels))).tobytes()
        offset = self._file.tell()
        self._file.write(self._header + index)
        preamble = _PREAMBLE.pack(
            _MAGIC,
            _VERSION,
            len(self._entries),
            offset,
            len(self._header),
            len(index),
            zlib.crc32(self._header),
            zlib.crc32(index),
        ).ljust(_PREAMBLE_SIZE - 4, b'\0')
        self._file.seek(0)
        self._file.write(preamble + struct.pack('<I', zlib.crc32(preamble)))
        self._file = None


class PointVideoStore:
    """Read a frame store.

    Opening reads preamble, header and index only. Every read opens the file, takes the blocks of
    the wanted frames by ``os.pread`` and closes it, so a store can be shared by threads, forked
    and spawned workers, holds no descriptor and pickles as a few kilobytes.

    Memory is bounded by the file: opening allocates no more than the file's size (header and
    index, the header at most 16 MiB); a block inflates to at most 1032 times its stored size
    (deflate's limit; a larger claim is refused unread) and decoding takes at most 32 bytes per
    inflated byte; ``read_depth`` makes one image, at most 2**24 pixels. Every offset and size is
    checked against the file before anything is allocated.

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
        preamble = self._pread(fd, _PREAMBLE_SIZE, 0, 'preamble')
        if not preamble.startswith(_MAGIC):
            raise self._error('not a point video store (wrong magic)')
        if zlib.crc32(preamble[:-4]) != struct.unpack('<I', preamble[-4:])[0]:
            raise self._error('the preamble is damaged (checksum)')
        (_, version, self.num_frames, offset, header_size, index_size, header_crc, index_crc) = (
            _PREAMBLE.unpack_from(preamble)
        )
        if version != _VERSION:
            raise self._error(f'version {version} is not supported, expected {_VERSION}')
        expected = offset + header_size + index_size
        if expected != file_size or offset < _PREAMBLE_SIZE or header_size > _MAX_HEADER:
            raise self._error(
                f'truncated or extended: expected {expected} bytes, the file has {file_size}'
            )
        header = self._pread(fd, header_size, offset, 'header')
        index = self._pread(fd, index_size, offset + header_size, 'index')
        if zlib.crc32(header) != header_crc or zlib.crc32(index) != index_crc:
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
            self.camera = _check_camera(header['camera'])
        self.unit = str(header['unit'])
        self.channels = _check_channels(header['channels'])
        self.meta: dict[str, Any] = dict(header['meta'])

    def _parse_index(self, data: bytes, end: int) -> None:
        dtype = _index_dtype(1 + len(self.channels))
        if len(data) != self.num_frames * dtype.itemsize:
            raise self._error(f'{len(data)} bytes of index are not {self.num_frames} frames')
        index = np.frombuffer(data, dtype)
        sizes = index['size'].astype(np.int64)
        offsets = _PREAMBLE_SIZE + np.concatenate([[0], np.cumsum(sizes)])
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

    def _depth(self, fd: int, frame: int) -> codec.DepthFrame:
        assert self.camera is not None
        try:
            return codec.decode_depth(
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
                    self._fill(xyz[part], self._depth(fd, frame))
                else:
                    xyz[part] = self._array(fd, frame, 0, 3, self.xyz_dtype)
                for name in names:
                    dtype, columns = self.channels[name]
                    block = 1 + order.index(name)
                    arrays[name][part] = self._array(fd, frame, block, columns, dtype)
        flat = {k: v[:, 0] if self.channels[k][1] == 1 else v for k, v in arrays.items()}
        return FrameBatch(xyz, flat, offsets)

    def _fill(self, xyz: np.ndarray, frame: codec.DepthFrame) -> None:
        """Write the points ``(n, 3)`` of a depth frame."""
        cam = self.camera
        assert cam is not None
        h, w = frame.mask.shape
        rows = _rays(int(cam['height']), cam['focal'], cam['cy'])[frame.v0 : frame.v0 + h]
        cols = _rays(int(cam['width']), cam['focal'], cam['cx'])[frame.u0 : frame.u0 + w]
        v, u = np.nonzero(frame.mask)
        z = frame.depth.astype(np.float32)
        np.multiply(cols[u], z, out=xyz[:, 0])
        np.multiply(rows[v], z, out=xyz[:, 1])
        xyz[:, 2] = z

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
            part = self._depth(fd, index)
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
