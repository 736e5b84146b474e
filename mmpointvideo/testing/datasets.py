"""Data sets made up on disk."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.storage import SUFFIX, PointVideoWriter

from .clips import tiny_clip


def write_tiny_dataset(
    root: str | os.PathLike,
    num_classes: int = 2,
    subjects: Sequence[int] = (1, 2, 6),
    num_frames: Sequence[int] = (12, 9),
    num_points: int = 80,
    seed: int = 0,
) -> Path:
    """Write a data set that ``MSRAction3DDataset`` and ``PointVideoFolderDataset`` can read.

    A video for every class, subject and entry of ``num_frames``, named ``aAA_sSS_eEE``, in the
    raw unit of MSRAction-3D (1/300 of a unit of :func:`tiny_clip`), with two channels: ``part``,
    1 above and 2 below the middle, and ``rgb``. Subjects 1-5 have the split ``'train'``, the
    others ``'test'``. The class decides how the body moves, so a small network can learn it.

    Args:
        root: Folder; made if missing.
        num_classes: Number of classes.
        subjects: Their numbers.
        num_frames: Lengths of the videos that every subject makes of every class.
        num_points: Points of the first frame; every next one has a point less, at least half.
        seed: Of the random numbers.

    Returns:
        The annotation file, ``root/annotations.json``.
    """
    root = Path(root)
    videos = []
    for label in range(num_classes):
        for subject in subjects:
            for take, length in enumerate(num_frames):
                name = f'a{label + 1:02d}_s{subject:02d}_e{take + 1:02d}'
                path = f'videos/{name}{SUFFIX}'
                body = [seed, label, subject, take]
                _write_video(root / path, label, length, num_points, body)
                videos.append(
                    dict(
                        video_id=name,
                        video_path=path,
                        num_frames=length,
                        gt_label=label,
                        subject=subject,
                        split='train' if subject <= 5 else 'test',
                    )
                )
    classes = [f'action {label + 1}' for label in range(num_classes)]
    meta = dict(dataset_type='tiny', task='action_recognition', classes=classes)
    ann_file = root / 'annotations.json'
    write_annotations(ann_file, meta, videos)
    return ann_file


def _write_video(path: Path, label: int, length: int, num_points: int, seed: list[int]) -> None:
    rng = np.random.default_rng(seed)
    clip = tiny_clip(length, num_points, seed=int(rng.integers(2**31)))
    clip[..., 0] += 0.2 * (label + 1) * np.sin(np.arange(length) * (label + 1) / 2)[:, None]
    channels = {'part': 'uint8', 'rgb': ('uint8', 3)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with PointVideoWriter(path, encoding='points', channels=channels) as writer:
        for t, frame in enumerate(clip):
            xyz = frame[: max(num_points // 2, num_points - t)] * 300
            part = np.where(xyz[:, 1] < 0, 1, 2).astype(np.uint8)
            rgb = rng.integers(0, 256, (len(xyz), 3), dtype=np.uint8)
            writer.append_points(xyz, {'part': part, 'rgb': rgb})
