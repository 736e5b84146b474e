"""Real MSR-Action3D skeletons: reading them and repairing what was recorded wrongly.

A file ``aAA_sSS_eEE_skeleton.txt`` has 20 lines a frame, ``u v depth confidence``, in the 320x240
image. Kinect loses the body now and then: frames of zeros, positions of millions of pixels,
bodies that jump. :func:`load_msr_skeleton` gives usable joints and says what it changed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .bodies import MSR_BODY, BodyModel
from .camera import MSR_CAMERA, DepthCamera

JOINTS = 20
MAX_TEXT_BYTES = 64 << 20
#: Bones whose lengths tell whether a body is one: arms, legs, by the joint at their lower end.
_LIMBS = ('elbow', 'wrist', 'knee', 'ankle')


@dataclass
class SkeletonReport:
    """What was done to one sequence.

    Attributes:
        num_read: Frames in the file.
        num_kept: Frames returned.
        dropped: Frames left out, by reason.
        repaired_frames: Frames interpolated as a whole.
        repaired_joints: Single joints interpolated, counted over the kept frames.
        rejected: Why the sequence is unusable, or None.
        kept: Indices, in the file, of the frames returned.
    """

    num_read: int
    num_kept: int = 0
    dropped: dict[str, list[int]] = field(default_factory=dict)
    repaired_frames: list[int] = field(default_factory=list)
    repaired_joints: int = 0
    rejected: str | None = None
    kept: list[int] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether the sequence was returned as recorded."""
        return not (self.dropped or self.repaired_frames or self.repaired_joints or self.rejected)

    def summary(self) -> str:
        """One line for people."""
        parts = [f'{self.num_kept} of {self.num_read} frames']
        parts += [f'dropped {len(frames)} ({why})' for why, frames in self.dropped.items()]
        if self.repaired_frames:
            parts.append(f'interpolated {len(self.repaired_frames)} frames')
        if self.repaired_joints:
            parts.append(f'interpolated {self.repaired_joints} joints')
        if self.rejected:
            parts.append(f'rejected: {self.rejected}')
        return ', '.join(parts)


class SkeletonRejectedError(ValueError):
    """A sequence that has too few usable frames; ``report`` says why."""

    def __init__(self, message: str, report: SkeletonReport) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple:
        return type(self), (self.args[0], self.report)


def parse_msr_skeleton(text: str, name: str) -> np.ndarray:
    """Parse the text of a skeleton file.

    Args:
        text: The file's content.
        name: The file's name, for messages.

    Returns:
        ``(T, 20, 4)`` float64: u, v, depth, confidence, as recorded (not checked for sense).

    Raises:
        ValueError: If the text is not a skeleton file; names file and line.
    """
    rows: list[list[float]] = []
    last = 0
    for last, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 4:
            raise ValueError(
                f'{name}, line {last}: expected 4 numbers (u v depth confidence), '
                f'got {line.strip()[:60]!r}'
            )
        rows.append(row)
    if not rows or len(rows) % JOINTS:
        raise ValueError(
            f'{name}, line {last}: expected {JOINTS} lines a frame, got {len(rows)} lines in all; '
            'the file is empty or cut short'
        )
    return np.array(rows).reshape(-1, JOINTS, 4)


def read_msr_skeleton(path: str | os.PathLike) -> np.ndarray:
    """Read a skeleton file as recorded: ``(T, 20, 4)``, see :func:`parse_msr_skeleton`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a skeleton file; names file and line.
    """
    path = Path(path)
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f'{path}: expected a skeleton file below {MAX_TEXT_BYTES} bytes')
    try:
        text = path.read_bytes().decode('ascii')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}, byte {error.start}: expected a text file of numbers, got binary data'
        ) from None
    return parse_msr_skeleton(text, str(path))


def msr_to_joints(raw: np.ndarray, camera: DepthCamera = MSR_CAMERA) -> np.ndarray:
    """Positions ``(T, 20, 3)`` in camera axes of ``(T, 20, 4)`` u, v, depth, confidence.

    What cannot be a measurement is NaN: a depth that is not above 0, or a pixel more than one
    image size outside the image.
    """
    u, v, depth = raw[..., 0], raw[..., 1], raw[..., 2]
    with np.errstate(invalid='ignore'):
        good = (depth > 0) & (depth < 1e5)
        good &= (u > -camera.width) & (u < 2 * camera.width)
        good &= (v > -camera.height) & (v < 2 * camera.height)
    u, v, depth = (np.where(good, array, np.nan) for array in (u, v, depth))
    return camera.unproject(u, v, depth)


def load_msr_skeleton(
    path: str | os.PathLike, min_frames: int = 8, max_gap: int = 5
) -> tuple[np.ndarray, SkeletonReport]:
    """Read and repair a skeleton file; see :func:`repair_skeleton`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a skeleton file; names file and line.
        SkeletonRejectedError: If too few frames are usable.
    """
    joints = msr_to_joints(read_msr_skeleton(path))
    return repair_skeleton(joints, name=str(path), min_frames=min_frames, max_gap=max_gap)


def repair_skeleton(
    joints: np.ndarray,
    body: BodyModel = MSR_BODY,
    name: str = 'skeleton',
    min_frames: int = 8,
    max_gap: int = 5,
    max_joint_gap: int = 15,
    max_step: float = 150.0,
    body_size: tuple[float, float] = (150.0, 1000.0),
) -> tuple[np.ndarray, SkeletonReport]:
    """Make a recorded sequence usable.

    1. A joint is damaged where it is not finite, or where it leaps by more than ``max_step`` and
       is back in the next frame. A frame is damaged where most joints are, or where three or
       more limb bones are below 0.4 or above 2 times their usual length.
    2. Single joints that are lost for at most ``max_joint_gap`` frames, and runs of at most
       ``max_gap`` damaged frames, are interpolated in time: directions and lengths of the bones,
       from the root outwards. A joint that is lost for longer damages its frames.
    3. The sequence is cut at longer runs and where the whole body leaps by more than
       ``max_step`` between frames; the longest piece is kept.

    Args:
        joints: ``(T, J, 3)`` in camera axes, NaN where nothing was measured.
        body: Says which joint hangs on which.
        name: For messages.
        min_frames: Fewer frames than this are not a sequence.
        max_gap: Longest run of damaged frames that is interpolated.
        max_joint_gap: Longest time for which a single joint is interpolated.
        max_step: Largest believable way of a joint between frames; the default is 0.6 m.
        body_size: Believable range of the summed length of upper arm, forearm, thigh and shin.

    Returns:
        Finite joints ``(T', J, 3)`` and the report.

    Raises:
        ValueError: If the joints do not fit the body.
        SkeletonRejectedError: If fewer than ``min_frames`` frames are usable.
    """
    joints = np.array(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (body.num_joints, 3):
        raise ValueError(f'{name}: expected joints (T, {body.num_joints}, 3), got {joints.shape}')
    report = SkeletonReport(num_read=len(joints))
    bad = ~np.isfinite(joints).all(axis=2)
    joints[bad] = np.nan
    bad |= _spikes(joints, max_step)
    lost = bad.mean(axis=1) > 0.5
    joints[lost] = np.nan
    bad[lost] = True
    lengths = _limb_lengths(joints, body)
    reasons = np.where(lost, 'body lost', '').astype(object)
    with np.errstate(invalid='ignore'):
        usual = np.array([np.median(x[x == x]) if (x == x).any() else np.nan for x in lengths.T])
        absurd = ((lengths < 0.4 * usual) | (lengths > 2 * usual)).sum(axis=1) >= 3
    reasons[absurd & ~lost] = 'absurd bone lengths'
    size = float(usual.sum()) / 2
    if np.isfinite(size) and not body_size[0] <= size <= body_size[1]:
        report.dropped['body size'] = list(range(len(joints)))
        report.rejected = f'the body measures {size:.0f}, expected {body_size[0]}..{body_size[1]}'
        raise SkeletonRejectedError(f'{name}: {report.rejected}', report)

    # A joint that is lost for long, or never measured before or after, damages its frames.
    whole = reasons == ''
    for joint in range(body.num_joints):
        for start, stop in _runs(bad[:, joint] & whole):
            before, after = start > 0 and whole[start - 1], stop < len(whole) and whole[stop]
            if stop - start > max_joint_gap or not (before and after):
                reasons[start:stop] = 'joints lost'
    damaged = reasons != ''
    bad[damaged] = True

    start, stop, why_not = _longest_piece(joints, damaged, max_gap, max_step)
    for frame in [*range(start), *range(stop, len(joints))]:
        reason = reasons[frame] or why_not
        report.dropped.setdefault(reason, []).append(frame)
    good = int((~damaged[start:stop]).sum())
    if good < min_frames:
        report.rejected = f'{good} usable frames in a row, expected at least {min_frames}'
        raise SkeletonRejectedError(f'{name}: {report.rejected}', report)
    report.repaired_frames = [start + int(i) for i in np.flatnonzero(damaged[start:stop])]
    report.repaired_joints = int(bad[start:stop][~damaged[start:stop]].sum())
    report.kept = list(range(start, stop))
    report.num_kept = stop - start
    return _interpolate(joints[start:stop], bad[start:stop], body), report


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Half-open runs of True."""
    steps = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]


def _spikes(joints: np.ndarray, max_step: float) -> np.ndarray:
    """``(T, J)``: joints that leap away for one frame and are back in the next."""
    spikes = np.zeros(joints.shape[:2], dtype=bool)
    if len(joints) >= 3:
        with np.errstate(invalid='ignore'):
            step = np.linalg.norm(np.diff(joints, axis=0), axis=2)
            over = np.linalg.norm(joints[2:] - joints[:-2], axis=2)
            spikes[1:-1] = (np.minimum(step[:-1], step[1:]) > max_step) & (over < max_step / 2)
    return spikes


def _limb_lengths(joints: np.ndarray, body: BodyModel) -> np.ndarray:
    """Lengths ``(T, 8)`` of upper arms, forearms, thighs and shins."""
    ends = [j for j, name in enumerate(body.joint_names) if name.endswith(_LIMBS)]
    return np.linalg.norm(joints[:, ends] - joints[:, body.parents[ends]], axis=2)


def _longest_piece(
    joints: np.ndarray, damaged: np.ndarray, max_gap: int, max_step: float
) -> tuple[int, int, str]:
    """Longest stretch without a long gap or a leap, and why the rest is left out."""
    good = np.flatnonzero(~damaged)
    if not len(good):
        return 0, 0, 'body lost'
    pieces, reason = [[int(good[0]), int(good[0])]], 'cut off by a long gap'
    for before, frame in zip(good, good[1:], strict=False):
        step = np.linalg.norm(joints[frame] - joints[before], axis=1)
        leap = float(np.nanmedian(step)) > max_step
        if leap:
            reason = 'cut off by a leap of the body'
        if leap or frame - before > max_gap + 1:
            pieces.append([int(frame), int(frame)])
        pieces[-1][1] = int(frame)
    start, last = max(pieces, key=lambda piece: (piece[1] - piece[0], -piece[0]))
    return start, last + 1, reason


def _interpolate(joints: np.ndarray, bad: np.ndarray, body: BodyModel) -> np.ndarray:
    """Fill damaged joints: root by position, others by direction and length of their bone."""
    if not bad.any():
        return joints
    time = np.arange(len(joints))
    out = joints.copy()

    def fill(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
        columns = [
            np.interp(time[missing], time[~missing], column[~missing]) for column in values.T
        ]
        return np.stack(columns, axis=1)

    root = int(np.flatnonzero(body.parents < 0)[0])
    if bad[:, root].any():
        out[bad[:, root], root] = fill(joints[:, root], bad[:, root])
    for parent, joint in body.bones:
        missing = bad[:, joint]
        if not missing.any():
            continue
        # Bones measured at both ends give directions and lengths.
        unknown = missing | bad[:, parent]
        if unknown.all():
            unknown = missing
        bone = joints[:, joint] - out[:, parent]
        length = np.linalg.norm(bone, axis=1, keepdims=True)
        way = fill(bone, unknown)
        norm = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        filled = np.zeros_like(bone)
        filled[unknown] = way / norm * fill(length, unknown)
        out[missing, joint] = out[missing, parent] + filled[missing]
    return out
