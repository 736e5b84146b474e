"""NvGesture: its official lists, and depth from its 8-bit AVI files."""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from mmpointvideo.datasets.frame_codec import MAX_IMAGE_PIXELS

from .images import import_cv2

NUM_CLASSES = 25
_PATH = re.compile(r'(?:.*/)?class_(\d{2})/(subject(\d+)_r(\d+))/?')


class GestureEntry(NamedTuple):
    """One line of a list.

    Attributes:
        video_id: ``class_01_subject13_r0``.
        video: The AVI file with the depth, relative to the data set's folder.
        start: First frame of the gesture.
        stop: Frame after its last one.
        label: 0-based.
        subject: Number of the subject.
    """

    video_id: str
    video: str
    start: int
    stop: int
    label: int
    subject: int


def parse_gesture_line(line: str, sensor: str = 'depth') -> GestureEntry:
    """Parse ``path:./Video_data/class_01/subject13_r0 depth:sk_depth:132:212 ... label:1``.

    Args:
        line: The line.
        sensor: Which sensor's video and frames.

    Raises:
        ValueError: If the line is not of the form.
    """
    fields = dict(word.split(':', 1) for word in line.split() if ':' in word)
    match = _PATH.fullmatch(fields.get('path', ''))
    parts = fields.get(sensor, '').split(':')
    label = fields.get('label', '')
    good = match and len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit()
    if not match or not good or not label.isdigit() or not 1 <= int(label) <= NUM_CLASSES:
        raise ValueError(
            f'expected path:.../class_CC/subjectS_rR, {sensor}:FILE:START:END and label:1..'
            f'{NUM_CLASSES}, got {line.strip()[:120]!r}'
        )
    folder = PurePosixPath(fields['path'])
    name = PurePosixPath(parts[0]).name
    if name != parts[0] or '..' in folder.parts or folder.is_absolute():
        raise ValueError(f'expected a path below the list, got {line.strip()[:120]!r}')
    start, stop = int(parts[1]), int(parts[2])
    if stop <= start:
        raise ValueError(f'expected frames START < END, got {start}..{stop}')
    return GestureEntry(
        video_id=f'class_{match[1]}_{match[2]}',
        video=str(folder / f'{name}.avi'),
        start=start,
        stop=stop,
        label=int(label) - 1,
        subject=int(match[3]),
    )


def read_gesture_list(path: str | os.PathLike, sensor: str = 'depth') -> list[GestureEntry]:
    """All lines of ``nvgesture_train_correct_cvpr2016_v2.lst`` or its counterpart for the test.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not of the form or a video occurs twice; names file and line.
    """
    entries: list[GestureEntry] = []
    seen: set[str] = set()
    lines = Path(path).read_text(encoding='ascii', errors='replace').splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = parse_gesture_line(line, sensor)
            if entry.video_id in seen:
                raise ValueError(f'{entry.video_id} occurs twice')
        except ValueError as error:
            raise ValueError(f'{path}, line {number}: {error}') from None
        seen.add(entry.video_id)
        entries.append(entry)
    return entries


def read_avi_frames(path: str | os.PathLike, frame_inds: Sequence[int]) -> list[np.ndarray]:
    """Single frames of a grey AVI file.

    Args:
        path: The file.
        frame_inds: Frame numbers, ascending.

    Returns:
        ``(H, W)`` uint8 images; fewer than were asked for where the file ends before.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded, or ends before the first frame.
        ImportError: If OpenCV is missing.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file')
    cv2 = import_cv2('reading AVI files')
    with open(path, 'rb') as file:
        head = file.read(12)
    if head[:4] != b'RIFF' or head[8:] != b'AVI ':  # a playlist would be followed
        raise ValueError(f'{path}: not an AVI file')
    wanted = [int(i) for i in frame_inds]
    capture = cv2.VideoCapture(str(path))
    images: list[np.ndarray] = []
    try:
        if not capture.isOpened():
            raise ValueError(f'{path}: not a video that OpenCV can read')
        width, height = (
            int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if not 0 < width * height <= MAX_IMAGE_PIXELS:
            raise ValueError(
                f'{path}: expected images of at most {MAX_IMAGE_PIXELS} pixels, the header says '
                f'{width} x {height}'
            )
        # frame by frame: seeking in AVI files lands on key frames
        for number in range(wanted[-1] + 1):
            if not capture.grab():
                break
            if number != wanted[len(images)]:
                continue
            good, frame = capture.retrieve()
            if not good:
                break
            current = frame[..., 0] if frame.ndim == 3 else frame
            while len(images) < len(wanted) and wanted[len(images)] == number:
                images.append(current)
    finally:
        capture.release()
    if not images:
        raise ValueError(f'{path}: ends before frame {wanted[0]}')
    return images


def segment_hand(image: np.ndarray, foreground: str = 'bright') -> np.ndarray:
    """Foreground of a depth image as published: Otsu's threshold, largest region, one erosion.

    Args:
        image: ``(H, W)`` uint8.
        foreground: ``'bright'``: above the threshold; ``'dark'``: below it, without 0.

    Returns:
        ``(H, W)`` bool; nothing where the image is flat.

    Raises:
        ValueError: If the image is not 8-bit grey.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f'expected an image (H, W) of uint8, got {image.shape} {image.dtype}')
    if foreground not in ('bright', 'dark'):
        raise ValueError(f"foreground: expected 'bright' or 'dark', got {foreground!r}")
    cv2 = import_cv2('finding the hand')
    if image.min() == image.max():
        return np.zeros(image.shape, bool)
    threshold, _ = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    mask = image > threshold if foreground == 'bright' else (image <= threshold) & (image > 0)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if len(stats) < 2:
        return np.zeros(image.shape, bool)
    largest = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return cv2.erode(largest.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
