"""Writing a frame store; see :mod:`mmpointvideo.datasets.storage`."""

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mmpointvideo.utils.atomic import atomic_write

from . import frame_codec as codec
from .store_layout import (
    MAX_HEADER,
    PREAMBLE_SIZE,
    XYZ_DTYPES,
    Preamble,
    check_camera,
    check_channels,
    index_dtype,
    pack_preamble,
)


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
        >>> from mmpointvideo.datasets.storage import PointVideoStore, PointVideoWriter
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
        self.camera = None if camera is None else check_camera(camera)
        self.channels = check_channels(channels or {})
        self.xyz_dtype = np.dtype(xyz_dtype)
        self.unit = unit
        self._meta = dict(meta or {})
        self._encode_header()  # so that bad meta is refused now, not after the last frame
        self._entries: list[tuple[int, list[int], list[int], list[int]]] = []
        self._file: Any = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> 'PointVideoWriter':
        self._file = self._stack.enter_context(atomic_write(self.path))
        self._file.write(bytes(PREAMBLE_SIZE))
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

    def _encode_header(self) -> bytes:
        channels = {k: [dtype.name, columns] for k, (dtype, columns) in self.channels.items()}
        header = dict(
            format='point_video_store',
            encoding=self.encoding,
            camera=self.camera,
            xyz_dtype=self.xyz_dtype.name,
            unit=self.unit,
            channels=channels,
            meta=self._meta,
        )
        data = json.dumps(header, allow_nan=False).encode()
        if len(data) > MAX_HEADER:
            raise ValueError(f'meta: {len(data)} bytes exceed {MAX_HEADER}')
        return data

    def update_meta(self, **values: Any) -> None:
        """Add to ``meta``, or replace entries of it, before the store is finished."""
        self._meta.update(values)
        self._encode_header()

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
            channels: ``(n,)`` or ``(n, columns)`` per channel; values must be finite and fit.

        Raises:
            ValueError: If shapes, values or channel names do not fit.
        """
        if self.encoding != 'points':
            raise ValueError("append_points needs encoding 'points', this store has 'depth'")
        xyz = np.asarray(xyz)
        if xyz.ndim != 2 or xyz.shape[1] != 3:
            raise ValueError(f'xyz: expected (n, 3), got {xyz.shape}')
        stored = self._cast('xyz', xyz, self.xyz_dtype)
        self._append(len(xyz), codec.encode_array(stored), channels or {})

    def _cast(self, name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        with np.errstate(over='ignore', invalid='ignore'):
            out = values.astype(dtype)
        if dtype.kind == 'f' and not np.isfinite(out).all():
            raise ValueError(f'{name}: frame {self.num_frames} holds NaN, infinite or huge values')
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
        index = np.array(self._entries, index_dtype(1 + len(self.channels))).tobytes()
        header = self._encode_header()
        offset = self._file.tell()
        self._file.write(header + index)
        preamble = Preamble(
            num_frames=len(self._entries),
            header_offset=offset,
            header_size=len(header),
            index_size=len(index),
            header_crc=zlib.crc32(header),
            index_crc=zlib.crc32(index),
        )
        self._file.seek(0)
        self._file.write(pack_preamble(preamble))
        self._file = None
