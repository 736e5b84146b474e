"""SYNTHIA video sequences: raw folders and the published processed clouds.

A raw sequence holds, for each of four views ``Omni_B``, ``Omni_F``, ``Omni_L``, ``Omni_R``::

    CameraParams/intrinsics.txt                     focal length, cx, cy on lines 1, 3, 5
    CameraParams/Stereo_Left/VIEW/000000.txt        16 numbers: the pose, transposed
    RGB/Stereo_Left/VIEW/000000.png                 8-bit colour
    Depth/Stereo_Left/VIEW/000000.png               16-bit, centimetres in the first channel read
    GT/LABELS/Stereo_Left/VIEW/000000.png           label ids in the last channel read

The published script reads a pixel as ``(-(u - cx) / f * d, (v - cy) / f * d, d)``, turns it by
the pose's rotation and moves it by the **negated** translation. y is the vertical, downward.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .images import import_cv2, read_png
from .published_npz import read_npz_array

#: In the order in which the published script merges them; the last one's place is the centre.
VIEWS = ('Omni_B', 'Omni_F', 'Omni_L', 'Omni_R')
RIG = 'Stereo_Left'
#: Raw label ids that may occur: void, sky, 13 classes and two reserved ones.
NUM_LABEL_IDS = 16
_FOLDERS = {'rgb': 'RGB', 'depth': 'Depth', 'label': 'GT/LABELS', 'pose': 'CameraParams'}
_NPZ_NAME = re.compile(r'(.+)-(\d{6})\.npz', re.IGNORECASE)
_MAX_NPZ_POINTS = 1 << 22


@dataclass(frozen=True)
class SynthiaCamera:
    """Focal length and principal point in pixels."""

    focal: float
    cx: float
    cy: float


class SynthiaCloud(NamedTuple):
    """Points of one frame in the world.

    Attributes:
        xyz: ``(n, 3)``, metres; float64 from raw images.
        rgb: ``(n, 3)`` uint8.
        label: ``(n,)`` uint8, raw ids.
        center: ``(3,)`` float64, where the cameras are.
    """

    xyz: np.ndarray
    rgb: np.ndarray
    label: np.ndarray
    center: np.ndarray


def view_path(sequence_dir: str | os.PathLike, what: str, view: str, frame: int) -> Path:
    """Path of an image or pose.

    Args:
        sequence_dir: The sequence's folder.
        what: ``'rgb'``, ``'depth'``, ``'label'`` or ``'pose'``.
        view: One of :data:`VIEWS`.
        frame: Number of the frame.
    """
    suffix = 'txt' if what == 'pose' else 'png'
    return Path(sequence_dir) / _FOLDERS[what] / RIG / view / f'{frame:06d}.{suffix}'


def read_intrinsics(path: str | os.PathLike) -> SynthiaCamera:
    """Read ``CameraParams/intrinsics.txt``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold the three numbers.
    """
    lines = Path(path).read_text(encoding='ascii', errors='replace').splitlines()
    try:
        focal, cx, cy = (float(lines[i]) for i in (0, 2, 4))
    except (IndexError, ValueError):
        raise ValueError(f'{path}: expected numbers on lines 1, 3 and 5 (focal, cx, cy)') from None
    if not (focal > 0 and np.isfinite([focal, cx, cy]).all()):
        raise ValueError(f'{path}: expected finite numbers, focal above 0, got {focal}, {cx}, {cy}')
    return SynthiaCamera(focal, cx, cy)


def read_pose(path: str | os.PathLike) -> np.ndarray:
    """Read a pose file: ``(4, 4)``, camera to world, translation negated as published.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold a rotation and a translation.
    """
    try:
        numbers = np.array(Path(path).read_text(encoding='ascii').split(), np.float64)
        pose = numbers.reshape(4, 4).T.copy()
    except ValueError:
        raise ValueError(f'{path}: expected 16 numbers') from None
    rotation = pose[:3, :3]
    turned = np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-2
    if not (np.isfinite(pose).all() and turned and np.allclose(pose[3], (0, 0, 0, 1))):
        raise ValueError(f'{path}: expected a transposed pose (rotation and translation)')
    pose[:3, 3] *= -1
    return pose


def list_frames(sequence_dir: str | os.PathLike) -> tuple[list[int], dict[int, list[str]]]:
    """The frames of a raw sequence.

    Returns:
        Numbers of the complete frames, in order, and for every other number that occurs the
        files that it lacks, relative to the sequence.

    Raises:
        FileNotFoundError: If the folder holds no raw sequence.
    """
    root = Path(sequence_dir)
    found: dict[tuple[str, str], set[int]] = {}
    for what, folder in _FOLDERS.items():
        suffix = 'txt' if what == 'pose' else 'png'
        for view in VIEWS:
            path = root / folder / RIG / view
            names = path.iterdir() if path.is_dir() else ()
            found[what, view] = {
                int(p.stem) for p in names if re.fullmatch(r'\d{6}\.' + suffix, p.name)
            }
    numbers = sorted(set().union(*found.values()))
    if not numbers:
        raise FileNotFoundError(
            f'{root}: expected a raw SYNTHIA sequence (RGB/{RIG}/{VIEWS[1]}/000000.png, '
            f'Depth/..., GT/LABELS/..., CameraParams/...), found no frame'
        )
    lacking = {
        n: [
            view_path('', what, view, n).as_posix()
            for (what, view), there in found.items()
            if n not in there
        ]
        for n in numbers
    }
    complete = [n for n in numbers if not lacking[n]]
    return complete, {n: files for n, files in lacking.items() if files}


def _read_png(path: Path, color: bool) -> np.ndarray:
    """An image as stored (colour: BGR uint8)."""
    if not path.is_file():
        raise FileNotFoundError(f'{path}: the image is missing')
    return read_png(path, color)


def read_view(
    sequence_dir: str | os.PathLike, view: str, frame: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The images of one view.

    Returns:
        RGB ``(H, W, 3)`` uint8, depth ``(H, W)`` uint16 in centimetres, labels ``(H, W)`` uint8.

    Raises:
        FileNotFoundError: If an image is missing.
        ValueError: If an image is unreadable, their sizes differ or a label id is unknown.
    """
    paths = {what: view_path(sequence_dir, what, view, frame) for what in ('rgb', 'depth', 'label')}
    rgb = _read_png(paths['rgb'], color=True)[:, :, ::-1]
    depth = _read_png(paths['depth'], color=False)
    label = _read_png(paths['label'], color=False)
    if depth.dtype != np.uint16:
        raise ValueError(f'{paths["depth"]}: expected a 16-bit image, got {depth.dtype}')
    depth = depth if depth.ndim == 2 else depth[:, :, 0]
    label = label if label.ndim == 2 else label[:, :, -1]
    for what, image in (('depth', depth), ('label', label)):
        if image.shape != rgb.shape[:2]:
            raise ValueError(
                f'{paths[what]}: expected the size {rgb.shape[:2]} of {paths["rgb"].name} in RGB, '
                f'got {image.shape}'
            )
    if label.max(initial=0) >= NUM_LABEL_IDS:
        raise ValueError(
            f'{paths["label"]}: unknown label id {label.max()}, expected 0..{NUM_LABEL_IDS - 1}'
        )
    return rgb, depth, label.astype(np.uint8)


def unproject(depth: np.ndarray, camera: SynthiaCamera) -> np.ndarray:
    """Points ``(H, W, 3)`` float64 in the camera's axes (left, down, forward), metres.

    Args:
        depth: ``(H, W)``, centimetres.
        camera: Its camera.
    """
    d = depth.astype(np.float64) / 100
    v, u = np.mgrid[: depth.shape[0], : depth.shape[1]]
    return np.stack(
        [-(u - camera.cx) / camera.focal * d, (v - camera.cy) / camera.focal * d, d], axis=-1
    )


def read_cloud(
    sequence_dir: str | os.PathLike, frame: int, camera: SynthiaCamera | None = None
) -> SynthiaCloud:
    """All pixels of the four views of a frame as points in the world, sky included.

    Args:
        sequence_dir: The sequence's folder.
        frame: Number of the frame.
        camera: Its camera; read from the sequence by default.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, sizes differ or a label id is unknown.
    """
    root = Path(sequence_dir)
    camera = camera or read_intrinsics(root / 'CameraParams' / 'intrinsics.txt')
    xyz, colors, labels = [], [], []
    size: tuple[int, ...] | None = None
    for view in VIEWS:
        rgb, depth, label = read_view(root, view, frame)
        if size is not None and depth.shape != size:
            raise ValueError(
                f'{view_path(root, "depth", view, frame)}: expected the size {size} of the other '
                f'views, got {depth.shape}'
            )
        size = depth.shape
        pose = read_pose(view_path(root, 'pose', view, frame))
        xyz.append(unproject(depth, camera).reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3])
        colors.append(rgb.reshape(-1, 3))
        labels.append(label.reshape(-1))
    return SynthiaCloud(
        np.concatenate(xyz), np.concatenate(colors), np.concatenate(labels), pose[:3, 3].copy()
    )


def split_npz_name(path: str | os.PathLike) -> tuple[str, int]:
    """Sequence and frame number of a published file ``SEQUENCE-000000.npz``.

    Raises:
        ValueError: If the name is another.
    """
    match = _NPZ_NAME.fullmatch(Path(path).name)
    if match is None:
        raise ValueError(f'{path}: expected a name like SYNTHIA-SEQS-01-DAWN-000000.npz')
    return match[1], int(match[2])


def read_npz_cloud(path: str | os.PathLike) -> SynthiaCloud:
    """Read a published processed frame: plain arrays, nothing is unpickled.

    Colours, published as 0..1, come back as the 8-bit values that they were made of.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds objects or not the four arrays.
    """
    pc, rgb, label, center = (
        read_npz_array(path, key, 32 * _MAX_NPZ_POINTS)
        for key in ('pc', 'rgb', 'semantic', 'center')
    )
    n = len(pc) if pc.ndim else 0
    shapes = (pc.shape, rgb.shape, label.shape, center.shape)
    if shapes != ((n, 3), (n, 3), (n,), (3,)) or n > _MAX_NPZ_POINTS:
        raise ValueError(
            f'{path}: expected pc (n, 3), rgb (n, 3), semantic (n,), center (3,), got {shapes}'
        )
    if not (np.isfinite(pc).all() and np.isfinite(center).all()):
        raise ValueError(f'{path}: NaN or infinite coordinates')
    if not (rgb.min(initial=0) >= 0 and rgb.max(initial=0) <= 1):
        raise ValueError(f'{path}: expected rgb in 0..1')
    if label.min(initial=0) < 0 or label.max(initial=0) >= NUM_LABEL_IDS:
        raise ValueError(
            f'{path}: unknown label id in {label.min()}..{label.max()}, '
            f'expected 0..{NUM_LABEL_IDS - 1}'
        )
    return SynthiaCloud(
        pc.astype(np.float32),
        np.rint(rgb * 255).astype(np.uint8),
        label.astype(np.uint8),
        center.astype(np.float64),
    )


def write_intrinsics(sequence_dir: str | os.PathLike, camera: SynthiaCamera) -> None:
    """Write ``CameraParams/intrinsics.txt``."""
    path = Path(sequence_dir) / 'CameraParams' / 'intrinsics.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{camera.focal}\n\n{camera.cx}\n\n{camera.cy}\n', encoding='ascii')


def write_view(
    sequence_dir: str | os.PathLike, view: str, frame: int, images: Mapping[str, np.ndarray]
) -> None:
    """Write one view of a frame in the raw layout.

    Args:
        sequence_dir: The sequence's folder.
        view: One of :data:`VIEWS`.
        frame: Number of the frame.
        images: ``rgb`` (H, W, 3) uint8, ``depth`` (H, W) uint16 in centimetres, ``label`` and
            ``instance`` (H, W), and ``pose`` (4, 4), camera to world, as :func:`read_pose`
            gives it.

    Raises:
        OSError: If an image cannot be written.
    """
    cv2 = import_cv2('writing PNG images')
    label = np.zeros((*images['label'].shape, 3), np.uint16)
    label[..., 2], label[..., 1] = images['label'], images['instance']
    pngs = {
        'rgb': images['rgb'][:, :, ::-1],
        'depth': np.repeat(images['depth'][:, :, None], 3, axis=2),
        'label': label,
    }
    for what, image in pngs.items():
        path = view_path(sequence_dir, what, view, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise OSError(f'{path}: the image could not be written')
    pose = np.array(images['pose'], np.float64)
    pose[:3, 3] *= -1
    path = view_path(sequence_dir, 'pose', view, frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(' '.join(repr(float(x)) for x in pose.T.ravel()) + '\n', encoding='ascii')
