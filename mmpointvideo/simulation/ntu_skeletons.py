"""Kinect v2 skeletons in the ``.skeleton`` files of NTU RGB+D (25 joints, up to six bodies).

The file is a flat list of lines: number of frames; per frame the number of bodies; per body a
line of 10 values that begins with the body's id, the number of joints, and 12 values a joint that
begin with x, y, z in metres (y up).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .bodies import NTU_BODY
from .skeletons import MAX_TEXT_BYTES, SkeletonReport, repair_skeleton

JOINTS = 25
MAX_FRAMES = 100_000
MAX_BODIES = 6


class _Lines:
    """Lines of a file, read one by one, with errors that name file and line."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise ValueError(f'{path}: expected a skeleton file below {MAX_TEXT_BYTES} bytes')
        self.path = path
        self.number = 0
        try:
            self.lines = path.read_bytes().decode('ascii').splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(
                f'{path}, byte {error.start}: expected a text file of numbers, got binary data'
            ) from None

    def error(self, expected: str, got: str) -> ValueError:
        return ValueError(f'{self.path}, line {self.number}: expected {expected}, got {got}')

    def words(self, expected: str) -> list[str]:
        self.number += 1
        if self.number > len(self.lines):
            raise self.error(expected, 'the end of the file; it is empty or cut short')
        return self.lines[self.number - 1].split()

    def count(self, what: str, most: int) -> int:
        words = self.words(what)
        if len(words) != 1 or not words[0].isdigit() or int(words[0]) > most:
            raise self.error(f'{what} (0..{most})', repr(' '.join(words)[:60]))
        return int(words[0])


def read_ntu_skeletons(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read all bodies of a file.

    Args:
        path: A ``.skeleton`` file.

    Returns:
        Per body id, in order of appearance, ``(T, 25, 3)`` float64 millimetres in camera axes
        (x right, y down, z away), NaN in frames without the body.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file; names file and line.
    """
    lines = _Lines(Path(path))
    num_frames = lines.count('the number of frames', MAX_FRAMES)
    bodies: dict[str, np.ndarray] = {}
    for frame in range(num_frames):
        for _ in range(lines.count('the number of bodies', MAX_BODIES)):
            words = lines.words('10 values of a body')
            if len(words) != 10:
                raise lines.error('10 values of a body', f'{len(words)}')
            if words[0] not in bodies:
                bodies[words[0]] = np.full((num_frames, JOINTS, 3), np.nan)
            joints = lines.count('the number of joints', JOINTS)
            if joints != JOINTS:
                raise lines.error(f'{JOINTS} joints', str(joints))
            for joint in range(JOINTS):
                values = lines.words('12 values of a joint')
                try:
                    numbers = [float(value) for value in values]
                except ValueError:
                    numbers = []
                if len(numbers) != 12:
                    raise lines.error('12 numbers of a joint', repr(' '.join(values)[:60]))
                x, y, z = numbers[:3]
                bodies[words[0]][frame, joint] = (1000 * x, -1000 * y, 1000 * z)
    return bodies


def choose_body(bodies: dict[str, np.ndarray]) -> str:
    """Id of the body that moves most among those seen at least half as long as the longest."""
    seen = {key: np.isfinite(value).all(axis=(1, 2)) for key, value in bodies.items()}
    longest = max((int(mask.sum()) for mask in seen.values()), default=0)
    if not longest:
        raise ValueError('expected at least one body, got none')
    motion = {
        key: float(value[seen[key]].var(axis=0).sum())
        for key, value in bodies.items()
        if 2 * seen[key].sum() >= longest
    }
    return max(motion, key=lambda key: motion[key])


def load_ntu_skeleton(
    path: str | os.PathLike, min_frames: int = 8, max_gap: int = 5
) -> tuple[np.ndarray, SkeletonReport]:
    """Read the most moving body of a ``.skeleton`` file and repair it.

    Returns:
        ``(T', 25, 3)`` millimetres in camera axes, and what was done (see
        :func:`~mmpointvideo.simulation.skeletons.repair_skeleton`).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file, or has no body.
        SkeletonRejectedError: If too few frames are usable.
    """
    bodies = read_ntu_skeletons(path)
    try:
        joints = bodies[choose_body(bodies)]
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    joints = np.where(joints[..., 2:] > 0, joints, np.nan)
    return repair_skeleton(
        joints,
        body=NTU_BODY,
        name=str(path),
        min_frames=min_frames,
        max_gap=max_gap,
        max_step=600.0,
        body_size=(600.0, 4000.0),
    )
