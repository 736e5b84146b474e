"""Published ``.npz`` files: an object array of T point clouds, which numpy stores as a pickle.

Unpickling runs whatever a file contains, so these files are never given to ``pickle`` as they
are. Only the opcodes that describe arrays are admitted, the only names that resolve are those of
numpy's array and dtype, and even these resolve to the stand-ins below, which check every value
before a real array is made.
"""

import io
import math
import os
import pickle
import pickletools
import re
import tokenize
import zipfile
import zlib
from typing import Any, Literal

import numpy as np

# Inflated size of one array that is still read. The longest NTU video is about 200 MB.
MAX_BYTES = 1 << 30
_MAX_DIMS = 3

_OPCODES = frozenset([
    'PROTO', 'FRAME', 'STOP', 'GLOBAL', 'STACK_GLOBAL', 'REDUCE', 'BUILD', 'MARK', 'POP', 'TUPLE',
    'EMPTY_TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3', 'EMPTY_LIST', 'LIST', 'APPEND', 'APPENDS',
    'NONE', 'NEWTRUE', 'NEWFALSE', 'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT',
    'BINUNICODE', 'SHORT_BINUNICODE', 'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'BINSTRING',
    'SHORT_BINSTRING', 'BINPUT', 'LONG_BINPUT', 'MEMOIZE', 'BINGET', 'LONG_BINGET',
])  # fmt: skip


class _Dtype:
    """Stands in for ``numpy.dtype`` while unpickling."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(r'[<>|=]?([fiu][1248]|O8?)', code):
            raise pickle.UnpicklingError(f'dtype {code!r} is not admitted')
        self.value = np.dtype('O' if 'O' in code else code)

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ('<', '>', '|', '='):
            raise pickle.UnpicklingError('dtype state is not admitted')
        if self.value.hasobject or self.value.itemsize == 1:
            return
        self.value = self.value.newbyteorder(order)


class _Array:
    """Stands in for ``numpy.ndarray`` while unpickling; ``value`` is the array, once built."""

    value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, dtype, fortran, data = state
            if len(shape) > _MAX_DIMS or not all(type(n) is int and n >= 0 for n in shape):
                raise ValueError('shape')
            kind, count = dtype.value, math.prod(shape)
            order: Literal['C', 'F'] = 'F' if fortran else 'C'
            if kind.hasobject:
                if type(data) is not list or len(data) != count:
                    raise ValueError('number of objects')
                self.value = np.fromiter(data, object, count).reshape(shape, order=order)
                return
            raw = data.encode('latin1') if isinstance(data, str) else data
            if type(raw) is not bytes or len(raw) != count * kind.itemsize:
                raise ValueError('number of bytes')
            self.value = np.frombuffer(raw, kind).reshape(shape, order=order)
        except (AttributeError, TypeError, ValueError) as error:
            raise pickle.UnpicklingError(f'array state is not admitted: {error}') from None


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Array:
        raise pickle.UnpicklingError('only plain arrays are admitted')
    return _Array()


_NAMES = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Dtype,
    ('numpy.core.multiarray', '_reconstruct'): _reconstruct,
    ('numpy._core.multiarray', '_reconstruct'): _reconstruct,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f'{module}.{name} is not admitted: only numpy arrays are'
            ) from None


def _check_opcodes(data: bytes) -> None:
    """Refuse opcodes that arrays do not need, and memo indices that would blow up the memo."""
    for count, (opcode, arg, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f'opcode {opcode.name} is not admitted')
        if opcode.name in ('BINPUT', 'LONG_BINPUT') and (not isinstance(arg, int) or arg > count):
            raise pickle.UnpicklingError(f'memo index {arg} is not admitted')


def load_array_pickle(data: bytes) -> np.ndarray:
    """Unpickle one numpy array, admitting numeric arrays and arrays of such arrays, nothing else.

    Raises:
        ValueError: If the pickle holds anything else or is damaged. Nothing of it has run.
    """
    try:
        _check_opcodes(data)
        loaded = _ArrayUnpickler(io.BytesIO(data), encoding='latin1').load()
    except Exception as error:  # whatever a damaged pickle raises: it is one error to the user
        raise ValueError(f'pickle refused: {error}') from None
    if not isinstance(loaded, _Array) or loaded.value is None:
        raise ValueError('pickle refused: it does not hold an array')
    return loaded.value


def _read_member(path: str, key: str, max_bytes: int) -> bytes:
    """The bytes of the member ``key.npy`` of a zip file."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if f'{key}.npy' not in names:
            keys = sorted(name.removesuffix('.npy') for name in names)[:20]
            raise ValueError(f'expected an array {key!r}, found {keys}')
        info = archive.getinfo(f'{key}.npy')
        if info.file_size > max_bytes:
            raise ValueError(f'{key!r} claims {info.file_size} bytes, the limit is {max_bytes}')
        with archive.open(info) as member:
            data = member.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f'{key!r} holds more than the limit of {max_bytes} bytes')
    return data


def _parse_npy(data: bytes) -> np.ndarray:
    """An array from the bytes of a ``.npy`` file, object arrays through the stand-ins."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f'version {version} of the npy format is not supported')
    rest = data[stream.tell() :]
    if dtype.hasobject:
        return load_array_pickle(rest)
    if dtype.kind not in 'fiu' or math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f'{len(rest)} bytes are not {shape} of {dtype}')
    return np.frombuffer(rest, dtype).reshape(shape, order='F' if fortran else 'C')


def read_npz_array(path: str | os.PathLike, key: str, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Read one array of a ``.npz`` without running what it contains.

    Args:
        path: The file.
        key: Name of the array.
        max_bytes: Largest array that is inflated; its header is checked against what is there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, too large, or asks for anything to be run.
    """
    try:
        return _parse_npy(_read_member(str(path), key, max_bytes))
    except FileNotFoundError:
        raise
    except (
        ValueError,
        TypeError,
        OSError,
        EOFError,
        RuntimeError,
        KeyError,
        SyntaxError,
        OverflowError,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(f'{path}: not a published npz that can be read: {error}') from None


def read_published_npz(
    path: str | os.PathLike, key: str = 'point_clouds', max_bytes: int = MAX_BYTES
) -> list[np.ndarray]:
    """Read the point clouds of a published ``.npz`` without running what it contains.

    Takes at most about four times ``max_bytes`` of memory.

    Args:
        path: The file.
        key: Name of the array: ``'point_clouds'`` (MSR-Action3D) or ``'data'`` (NTU RGB+D).
        max_bytes: Largest array that is inflated.

    Returns:
        T arrays ``(n, 3)`` of floats, as they were stored.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, too large, holds anything but point clouds, or asks
            for anything to be run.
    """
    array = read_npz_array(path, key, max_bytes)
    clouds = []
    for index in range(len(array) if array.ndim else 0):
        item = array[index]
        cloud = item.value if isinstance(item, _Array) else item
        if isinstance(cloud, np.ndarray) and cloud.dtype.hasobject:  # equal frames: boxed numbers
            if not all(type(x) in (int, float) for x in cloud.flat):
                raise ValueError(f'{path}: frame {index}: expected numbers')
            cloud = cloud.astype(np.float64)
        if not isinstance(cloud, np.ndarray) or cloud.ndim != 2 or cloud.shape[1] != 3:
            what = getattr(cloud, 'shape', type(cloud).__name__)
            raise ValueError(f'{path}: frame {index}: expected points (n, 3), got {what}')
        clouds.append(cloud)
    if not clouds:
        raise ValueError(f'{path}: expected an array of point clouds, got shape {array.shape}')
    return clouds
