"""Scenes made up on disk."""

import os
from pathlib import Path

import numpy as np

from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.storage import SUFFIX, PointVideoWriter
from mmpointvideo.datasets.synthia4d_facts import CLASSES, LABEL_IDS

#: Video name to split.
TINY_SCENES = {
    'SYNTHIA-SEQS-04-TINY0': 'train',
    'SYNTHIA-SEQS-04-TINY1': 'train',
    'SYNTHIA-SEQS-05-TINY': 'val',
    'SYNTHIA-SEQS-06-TINY': 'test',
}


def write_tiny_scenes(
    root: str | os.PathLike, num_frames: int = 6, num_points: int = 400, seed: int = 0
) -> Path:
    """Write a data set that ``Synthia4DDataset`` can read, every frame labelled.

    Four videos, two of them with the split ``'train'`` and one each with ``'val'`` and
    ``'test'``. Points fill a box of 40 x 8 x 40 m about a camera that moves along z; a point's
    colour tells its class, as does its height, so a small network can learn it. One point in
    twenty is void.

    Args:
        root: Folder; made if missing.
        num_frames: Frames of every video.
        num_points: Points of every frame.
        seed: Of the random numbers.

    Returns:
        The annotation file, ``root/annotations.json``.
    """
    root = Path(root)
    rng = np.random.default_rng(seed)
    colors = rng.integers(0, 256, (len(CLASSES), 3), dtype=np.uint8)
    channels = dict(rgb=('uint8', 3), label='uint8')
    entries = []
    for name, split in TINY_SCENES.items():
        path = f'videos/{name}{SUFFIX}'
        centers = [[50.0, -2.0, 10.0 + frame] for frame in range(num_frames)]
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with PointVideoWriter(root / path, encoding='points', channels=channels) as writer:
            for center in centers:
                offset = rng.uniform((-20, -4, -20), (20, 4, 20), (num_points, 3))
                kind = ((offset[:, 1] + 4) / 8 * len(CLASSES)).astype(int) % len(CLASSES)
                label = np.array(LABEL_IDS, np.uint8)[kind]
                label[rng.random(num_points) < 0.05] = 0
                xyz = (center + offset).astype(np.float32)
                writer.append_points(xyz, dict(rgb=colors[kind], label=label))
        frames = list(range(num_frames))
        entries.append(
            dict(
                video_id=name,
                video_path=path,
                num_frames=num_frames,
                split=split,
                frame_ids=frames,
                centers=centers,
                labelled_frames=frames,
            )
        )
    meta = dict(
        dataset_type='Synthia4DDataset', task='semantic_segmentation', classes=list(CLASSES)
    )
    ann_file = root / 'annotations.json'
    write_annotations(ann_file, meta, entries)
    return ann_file
