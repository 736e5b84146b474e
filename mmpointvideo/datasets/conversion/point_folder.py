"""People's own videos, folders of point cloud files, into frame stores."""

import json
import os
import re
import zlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from mmpointvideo.datasets.formats import POINT_SUFFIXES, PointFrame, read_point_file
from mmpointvideo.datasets.storage import CHANNEL_DTYPES, PointVideoWriter

from .report import VideoReport
from .runner import describe_store, existing_report, note_empty_frames, source_mark

_NUMBER = re.compile(r'[+-]?[0-9]+(\.[0-9]+)?')


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Key that sorts ``frame2`` before ``frame10``; no two names have the same."""
    parts = re.split(r'(\d+)', name)
    return [(0, int(p), '') if p.isdecimal() else (1, 0, p) for p in parts if p], name


def frame_files(folder: str | os.PathLike) -> list[Path]:
    """The point cloud files of a folder in the order of their names.

    Where all of these are numbers, such as times in seconds, their values count, otherwise the
    numbers in them do (:func:`natural_key`).

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no such files, or files of several formats.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder')
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in POINT_SUFFIXES and not path.name.startswith('.')
    ]
    kinds = sorted({path.suffix.lower() for path in files})
    if not files:
        raise ValueError(f'{folder}: expected point clouds {POINT_SUFFIXES}, found none')
    if len(kinds) > 1:
        raise ValueError(f'{folder}: expected frames of one format, found {kinds}')
    if all(_NUMBER.fullmatch(path.stem) for path in files):
        return sorted(files, key=lambda path: (Decimal(path.stem), path.name))
    return sorted(files, key=lambda path: natural_key(path.name))


def _storable(name: str, values: np.ndarray) -> np.ndarray:
    """A channel in a type that a store can hold."""
    if values.dtype.name in CHANNEL_DTYPES:
        return values
    if values.dtype.kind == 'f':
        return values.astype(np.float32)
    if values.dtype.kind in 'iu' and (not values.size or abs(values).max() < 2**31):
        return values.astype(np.int32)
    raise ValueError(f'channel {name!r}: values of type {values.dtype} cannot be stored')


def _read_frame(
    path: Path, channels: Sequence[str], columns: Sequence[str] | None, repairs: list[str]
) -> PointFrame:
    """One frame, only the wanted channels, points with NaN or infinity left out."""
    frame = read_point_file(path, columns)
    missing = [name for name in channels if name not in frame.channels]
    if missing:
        raise ValueError(f'{path}: no channel {missing}, it has {sorted(frame.channels)}')
    wanted = {name: _storable(name, frame.channels[name]) for name in channels}
    good = np.isfinite(frame.xyz).all(axis=1)
    for values in wanted.values():
        if values.dtype.kind == 'f':
            good &= np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if not good.all():
        repairs.append(f'{path.name}: {int((~good).sum())} points with NaN or infinity left out')
    return PointFrame(frame.xyz[good], {name: values[good] for name, values in wanted.items()})


def convert_point_folder(
    folder: str | os.PathLike,
    store_path: str | os.PathLike,
    channels: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    unit: str = '',
    overwrite: bool = False,
) -> VideoReport:
    """Convert a folder of PLY, PCD, NPY or BIN frames, in the order of :func:`frame_files`.

    Points are read as float32. The report says where that moves float64 coordinates, or integers
    above 2**24, by more than 1e-6 of the extent.

    Args:
        folder: The video's folder.
        store_path: Where the store shall be.
        channels: Names of per-point values to keep, such as ``label`` or ``rgb``; every frame
            must have them.
        columns: Names of the columns of NPY and BIN files.
        unit: Name of the coordinates' unit.
        overwrite: Convert even if an intact store of these files is there.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If a frame is damaged, the frames do not fit together, or none has a point.
    """
    files = frame_files(folder)
    marks = json.dumps([source_mark(path) for path in files])
    conversion = dict(
        source='points',
        files=zlib.crc32(marks.encode()),
        channels=list(channels),
        columns=list(columns or []),
        unit=unit,
    )
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    repairs: list[str] = []
    counts, worst, extent = [], 0.0, 0.0
    first = _read_frame(files[0], channels, columns, [])
    xyz_dtype = 'int32' if first.xyz.dtype.kind in 'iu' else 'float32'
    specs = {
        name: (values.dtype.name, 1 if values.ndim == 1 else values.shape[1])
        for name, values in first.channels.items()
    }
    meta = dict(conversion=conversion, frame_names=[path.name for path in files])
    with PointVideoWriter(
        store_path, 'points', channels=specs, xyz_dtype=xyz_dtype, unit=unit, meta=meta
    ) as writer:
        for path in files:
            frame = _read_frame(path, channels, columns, repairs)
            try:
                writer.append_points(frame.xyz, frame.channels)
            except ValueError as error:
                raise ValueError(f'{path}: {error}') from None
            counts.append(len(frame.xyz))
            if frame.xyz.dtype != np.float32 and len(frame.xyz):
                exact = frame.xyz.astype(np.float64)
                worst = max(worst, float(np.abs(exact.astype(np.float32) - exact).max()))
                extent = max(extent, float(np.ptp(exact, axis=0).max()))
        note_empty_frames(counts, repairs)
        if worst > 1e-6 * extent:
            repairs.append(
                f'rounding to float32 moved points by up to {worst:.2g} (extent {extent:.3g}): '
                'subtract an offset from coordinates that are far from 0'
            )
        writer.update_meta(repairs=repairs)
    return describe_store(store_path, 'converted')
