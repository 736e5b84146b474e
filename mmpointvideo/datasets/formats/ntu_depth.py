"""NTU RGB+D's masked depth: one folder of 16-bit PNG images a video."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .images import import_cv2, read_png

#: Width and height of the images.
NTU_SIZE = (512, 424)
#: The camera that the published points assume.
NTU_CAMERA = dict(width=512, height=424, focal=280.0, cx=256.0, cy=212.0)
_FRAME = re.compile(r'MDepth-(\d+)\.png', re.IGNORECASE)


def list_ntu_frames(folder: str | os.PathLike) -> tuple[list[Path], dict[str, Any]]:
    """The frames of a video, in order, and what tells this version of it from another.

    Args:
        folder: With ``MDepth-00000001.png``, ``MDepth-00000002.png``, ...

    Returns:
        Paths, and ``name``, ``frames``, ``bytes`` and ``mtime_ns`` (the latest).

    Raises:
        FileNotFoundError: If there is no such folder, or no frame in it.
        ValueError: If the numbers of the frames have a gap, or one of them is there twice.
    """
    found: dict[int, Path] = {}
    size, latest = 0, 0
    with os.scandir(Path(folder)) as entries:
        for entry in entries:
            match = _FRAME.fullmatch(entry.name)
            if match:
                number, stat = int(match[1]), entry.stat()
                if number in found:
                    names = sorted((found[number].name, entry.name))
                    raise ValueError(f'{folder}: frame {number} is there twice: {names}')
                found[number] = Path(entry.path)
                size, latest = size + stat.st_size, max(latest, stat.st_mtime_ns)
    if not found:
        raise FileNotFoundError(f'{folder}: expected frames MDepth-00000001.png, ..., found none')
    first, last = min(found), max(found)
    if len(found) != last - first + 1:
        missing = next(i for i in range(first, last) if i not in found)
        raise ValueError(f'{folder}: frame {missing} of {first}..{last} is missing')
    mark = dict(name=Path(folder).name, frames=len(found), bytes=size, mtime_ns=latest)
    return [found[i] for i in range(first, last + 1)], mark


def read_ntu_frame(path: str | os.PathLike) -> np.ndarray:
    """A frame: ``(424, 512)`` uint16 millimetres, 0 is background.

    Raises:
        ValueError: If it is not a 16-bit grey PNG of this size; names the file.
        ImportError: If OpenCV is missing.
    """
    image = read_png(path)
    width, height = NTU_SIZE
    if image.dtype != np.uint16 or image.shape != (height, width):
        raise ValueError(
            f'{path}: expected a 16-bit grey PNG of {width} x {height}, got {image.shape} of '
            f'{image.dtype}'
        )
    return image


def iter_ntu_frames(paths: list[Path]) -> Iterator[np.ndarray]:
    """The frames one by one: no more than one is in memory."""
    for path in paths:
        yield read_ntu_frame(path)


def write_ntu_frame(path: str | os.PathLike, depth: np.ndarray) -> None:
    """Write a frame as NTU RGB+D has it.

    Args:
        path: ``.../MDepth-00000001.png``.
        depth: ``(424, 512)``, 0..65535.

    Raises:
        OSError: If it cannot be written.
        ImportError: If OpenCV is missing.
    """
    if not import_cv2('writing PNG images').imwrite(
        str(path), np.ascontiguousarray(depth, np.uint16)
    ):
        raise OSError(f'{path}: could not be written')
