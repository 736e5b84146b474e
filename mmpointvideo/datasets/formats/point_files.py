"""Point clouds in the formats people have them in: PLY, PCD, NPY and KITTI's BIN.

Every reader checks the size that a header claims against the file before it allocates.
"""

import os
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_MAX_WORD = 64
KITTI_COLUMNS = ('x', 'y', 'z', 'intensity')


@dataclass
class PointFrame:
    """One point cloud.

    Attributes:
        xyz: ``(n, 3)`` in the file's own numeric type.
        channels: Other values of the points, by name: ``(n,)``; ``rgb`` ``(n, 3)`` uint8.
    """

    xyz: np.ndarray
    channels: dict[str, np.ndarray] = field(default_factory=dict)


def _from_columns(names: Sequence[str], columns: Sequence[np.ndarray]) -> PointFrame:
    """Sort columns ``(n,)`` by their names into coordinates and channels.

    Raises:
        ValueError: If x, y or z is missing, or two names are the same but for their case.
    """
    twice = [name for name, n in Counter(name.lower() for name in names).items() if n > 1]
    if twice:
        raise ValueError(
            f'expected fields of different names, got {list(names)}: {twice} more than once '
            '(upper and lower case are the same)'
        )
    lower = {name.lower(): values for name, values in zip(names, columns, strict=True)}
    missing = [axis for axis in 'xyz' if axis not in lower]
    if missing:
        raise ValueError(f'expected fields x, y, z, got {list(names)}')
    xyz = np.stack([lower.pop(axis) for axis in 'xyz'], axis=1)
    if xyz.dtype.kind not in 'fiu':
        raise ValueError(f'expected numeric coordinates, got {xyz.dtype}')
    for names in (('red', 'green', 'blue'), ('r', 'g', 'b')):
        if 'rgb' not in lower and all(
            name in lower and lower[name].dtype == np.uint8 for name in names
        ):
            lower['rgb'] = np.stack([lower.pop(name) for name in names], axis=1)
    return PointFrame(xyz, lower)


def _from_records(records: np.ndarray) -> PointFrame:
    """Coordinates and channels of a structured array ``(n,)``."""
    names = records.dtype.names or ()
    return _from_columns(names, [np.ascontiguousarray(records[name]) for name in names])


_PLY_TYPES = {
    'char': 'i1', 'int8': 'i1', 'uchar': 'u1', 'uint8': 'u1', 'short': 'i2', 'int16': 'i2',
    'ushort': 'u2', 'uint16': 'u2', 'int': 'i4', 'int32': 'i4', 'uint': 'u4', 'uint32': 'u4',
    'float': 'f4', 'float32': 'f4', 'double': 'f8', 'float64': 'f8',
}  # fmt: skip


def _read_ply(path: str | os.PathLike) -> PointFrame:
    """Read the vertices of a PLY file (ascii, binary little and big endian).

    Raises:
        ValueError: If the file is damaged or uses what is not supported: list properties in the
            vertices or in an element before them.
    """
    data = Path(path).read_bytes()
    end = re.search(rb'(?m)^end_header[ \t]*\r?\n', data[: 1 << 20])
    if not data.startswith(b'ply') or end is None:
        raise ValueError('not a PLY file')
    lines = [line.split() for line in data[: end.end()].decode('latin1').splitlines()]
    style, elements = '', []
    for words in lines:
        if words[:1] == ['format'] and len(words) > 1:
            style = words[1]
        elif words[:1] == ['element'] and len(words) == 3 and words[2].isdecimal():
            elements.append((words[1], int(words[2]), list[tuple[str, str]]()))
        elif words[:1] == ['property'] and elements:
            code = _PLY_TYPES.get(words[1]) if len(words) == 3 else 'list'
            if code is None:
                raise ValueError(f'unknown property type {words[1]!r}')
            elements[-1][2].append((words[-1], code))
    names = [name for name, _, _ in elements]
    if 'vertex' not in names:
        raise ValueError(f'expected an element vertex, got {names}')
    position = names.index('vertex')
    if any(code == 'list' for element in elements[: position + 1] for _, code in element[2]):
        raise ValueError('list properties in or before the vertices are not supported')
    if style == 'ascii':
        skip = sum(count for _, count, _ in elements[:position])
        return _ascii_records(data[end.end() :], elements[position][1:], skip)
    order = {'binary_little_endian': '<', 'binary_big_endian': '>'}.get(style)
    if order is None:
        raise ValueError(f'unknown PLY format {style!r}')
    start = end.end()
    for _, count, properties in elements[:position]:
        start += count * np.dtype([(n, order + c) for n, c in properties]).itemsize
    _, count, properties = elements[position]
    dtype = np.dtype([(n, order + c) for n, c in properties])
    return _from_records(_records(data, dtype, count, start))


def _records(data: bytes, dtype: np.dtype, count: int, start: int) -> np.ndarray:
    if dtype.itemsize == 0 or start + count * dtype.itemsize > len(data):
        raise ValueError(
            f'truncated: {count} points of {dtype.itemsize} bytes from byte {start} on, '
            f'the file has {len(data)}'
        )
    return np.frombuffer(data, dtype, count, start).astype(dtype.newbyteorder('='))


def _ascii_records(
    data: bytes, element: tuple[int, list[tuple[str, str]]], skip: int = 0
) -> PointFrame:
    """Points of a text body: one line a point, ``skip`` lines before them left out."""
    count, properties = element
    lines = [line for line in data.splitlines() if line.strip()][skip : skip + count]
    if len(lines) != count:
        raise ValueError(f'truncated: expected {count} points, got {len(lines)}')
    rows = [line.split() for line in lines]
    if any(len(row) != len(properties) for row in rows):
        raise ValueError(f'expected {len(properties)} numbers a line')
    if any(len(word) > _MAX_WORD for row in rows for word in row):
        raise ValueError(f'a number of more than {_MAX_WORD} characters')
    table = np.array(rows, dtype='S').reshape(count, len(properties)).astype(np.float64)
    columns = []
    for i, (name, code) in enumerate(properties):
        with np.errstate(invalid='ignore', over='ignore'):
            columns.append(table[:, i].astype(code))
        if 'f' not in code and not np.array_equal(columns[i], table[:, i]):
            raise ValueError(f'values of {name!r} do not fit its type')
    return _from_columns([name for name, _ in properties], columns)


def _read_pcd(path: str | os.PathLike) -> PointFrame:
    """Read a PCD file (ascii, binary and binary_compressed). A packed ``rgb`` field is unpacked.

    Raises:
        ValueError: If the file is damaged or not a PCD file.
    """
    data = Path(path).read_bytes()
    end = re.search(rb'(?m)^DATA (\w+)[ \t]*\r?\n', data[: 1 << 20])
    if end is None:
        raise ValueError('not a PCD file (no DATA line)')
    head: dict[str, list[str]] = {}
    for line in data[: end.start()].decode('latin1').splitlines():
        words = line.split()
        if words and not words[0].startswith('#'):
            head[words[0]] = words[1:]
    try:
        names, kinds = head['FIELDS'], head['TYPE']
        sizes = [int(n) for n in head['SIZE']]
        repeats = [int(n) for n in head.get('COUNT', ['1'] * len(names))]
        count = int(head.get('POINTS', [''])[0] or int(head['WIDTH'][0]) * int(head['HEIGHT'][0]))
        fields = []
        for i, (name, kind, size, repeat) in enumerate(
            zip(names, kinds, sizes, repeats, strict=True)
        ):
            for j in range(repeat):
                code = np.dtype(f'<{kind.lower()}{size}').str if kind in 'FIU' else 'bad'
                plain = repeat == 1 and name != '_'
                fields.append((name if plain else f'_{i}_{j}', code))
                if len(fields) > 1024:
                    raise ValueError('more than 1024 fields')
        if count < 0:
            raise ValueError(f'{count} points')
        dtype = np.dtype(fields)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(f'damaged PCD header: {error}') from None
    style = end.group(1).decode('latin1')
    if style == 'ascii':
        frame = _ascii_records(data[end.end() :], (count, fields))
    elif style == 'binary':
        frame = _from_records(_records(data, dtype, count, end.end()))
    elif style == 'binary_compressed':
        frame = _compressed_pcd(data[end.end() :], fields, count)
    else:
        raise ValueError(f'unknown data format {style!r}')
    packed = frame.channels.get('rgb', frame.channels.get('rgba'))
    if packed is not None and packed.ndim == 1 and packed.itemsize == 4:
        bits = np.ascontiguousarray(packed).view(np.uint32)
        frame.channels.pop('rgba', None)
        shifts = np.array([16, 8, 0], np.uint32)
        frame.channels['rgb'] = ((bits[:, None] >> shifts) & 255).astype(np.uint8)
    for name in [n for n in frame.channels if n.startswith('_')]:
        del frame.channels[name]
    return frame


def _compressed_pcd(data: bytes, fields: list[tuple[str, str]], count: int) -> PointFrame:
    """Fields one after the other, LZF-compressed, behind two uint32 sizes."""
    packed, size = (int(n) for n in np.frombuffer(data[:8].ljust(8, b'\0'), '<u4'))
    expected = count * sum(np.dtype(code).itemsize for _, code in fields)
    if size != expected or packed > len(data) - 8:
        raise ValueError(f'truncated: {count} points need {expected} bytes, the file holds {size}')
    raw = _lzf_decompress(data[8 : 8 + packed], size)
    columns, start = [], 0
    for _, code in fields:
        columns.append(np.frombuffer(raw, code, count, start))
        start += count * np.dtype(code).itemsize
    return _from_columns([name for name, _ in fields], columns)


def _lzf_decompress(data: bytes, size: int) -> bytes:
    """Decompress the LZF format (literal runs and back references), to exactly ``size`` bytes."""
    out, i = bytearray(), 0
    try:
        while i < len(data) and len(out) <= size:
            control = data[i]
            i += 1
            if control < 32:  # a run of control + 1 literal bytes
                if i + control + 1 > len(data):
                    raise IndexError
                out += data[i : i + control + 1]
                i += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += data[i]
                i += 1
            start = len(out) - ((control & 31) << 8) - data[i] - 1
            i += 1
            length += 2
            if start < 0:
                raise IndexError
            piece = out[start : start + length]
            out += (piece * (length // len(piece) + 1))[:length]
    except IndexError:
        raise ValueError('damaged LZF data') from None
    if len(out) != size:
        raise ValueError(f'LZF data hold {len(out)} bytes, expected {size}')
    return bytes(out)


def _read_npy(path: str | os.PathLike, columns: Sequence[str] | None = None) -> PointFrame:
    """Read a NPY file: ``(n, 3)``, ``(n, k)`` with named ``columns``, or a structured array.

    Raises:
        ValueError: If the file is damaged, holds objects, or another shape.
    """
    array = _load_npy(path)
    if array.dtype.names and array.ndim == 1:
        return _from_records(np.array(array))
    names = tuple(columns or 'xyz')
    if array.ndim != 2 or array.shape[1] != len(names) or array.dtype.kind not in 'fiu':
        raise ValueError(
            f'expected numbers (n, {len(names)}) for columns {list(names)}, got '
            f'{array.dtype} {array.shape}; name its columns'
        )
    return _from_columns(names, [np.array(array[:, i]) for i in range(len(names))])


def _load_npy(path: str | os.PathLike) -> np.ndarray:
    """The array of a NPY file, not read yet."""
    try:
        array = np.load(path, mmap_mode='r', allow_pickle=False)
    except FileNotFoundError:
        raise
    except (
        ValueError,
        TypeError,
        EOFError,
        OSError,
        SyntaxError,
        OverflowError,
        tokenize.TokenError,
    ) as error:
        raise ValueError(f'not a readable NPY file: {error}') from None
    if not isinstance(array, np.ndarray):
        raise ValueError('expected one array, got a zip file of several')
    return array


def _read_bin(path: str | os.PathLike, columns: Sequence[str] | None = None) -> PointFrame:
    """Read a BIN file as KITTI's: float32, ``columns`` values a point (x, y, z, intensity).

    Raises:
        ValueError: If the size is not a whole number of points.
    """
    names = tuple(columns or KITTI_COLUMNS)
    size = Path(path).stat().st_size
    if size % (4 * len(names)):
        raise ValueError(
            f'{size} bytes are not a whole number of points of {len(names)} float32 '
            f'({", ".join(names)}); truncated, or name its columns'
        )
    table = np.fromfile(path, '<f4').reshape(-1, len(names))
    return _from_columns(names, list(table.T))


_READERS: dict[str, Callable[[str | os.PathLike, Sequence[str] | None], PointFrame]] = {
    '.ply': lambda path, columns: _read_ply(path),
    '.pcd': lambda path, columns: _read_pcd(path),
    '.npy': _read_npy,
    '.bin': _read_bin,
}
POINT_SUFFIXES = tuple(_READERS)


def has_own_names(path: str | os.PathLike) -> bool:
    """Whether a file says what its columns are: PLY, PCD and structured NPY files do.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a damaged NPY file.
    """
    suffix = Path(path).suffix.lower()
    if suffix == '.npy':
        return _load_npy(path).dtype.names is not None
    return suffix in ('.ply', '.pcd')


def read_point_file(path: str | os.PathLike, columns: Sequence[str] | None = None) -> PointFrame:
    """Read a point cloud, by the file's suffix.

    Args:
        path: A ``.ply``, ``.pcd``, ``.npy`` or ``.bin`` file.
        columns: Names of the columns of ``.npy`` (default x, y, z) and ``.bin`` (default x, y, z,
            intensity) files; ``x``, ``y`` and ``z`` must be among them. None for files that name
            them (:func:`has_own_names`).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, its suffix unknown, or ``columns`` are given for one
            that has names of its own.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise ValueError(f'{path}: expected one of {POINT_SUFFIXES}, got {suffix!r}')
    try:
        if columns and has_own_names(path):
            raise ValueError(f'has names of its own: expected no columns, got {list(columns)}')
        return _READERS[suffix](path, columns)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
