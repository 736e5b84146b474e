"""Segmentation of whole scenes from crops of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from mmpointvideo.datasets.scene_merge import ScenePart, merge_scene
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.synthia4d import Synthia4DDataset


class SegmentedScene(NamedTuple):
    """The labelled frame of a clip, all its points.

    Attributes:
        video_id: The sequence.
        frame_id: The frame's number in it.
        xyz: ``(n, 3)`` float32, world coordinates.
        rgb: ``(n, 3)`` uint8, or None where the store has no colours.
        gt_label: ``(n,)`` stored label ids, or None.
        pred_label: ``(n,)`` int64, predicted classes.
    """

    video_id: str
    frame_id: int
    xyz: np.ndarray
    rgb: np.ndarray | None
    gt_label: np.ndarray | None
    pred_label: np.ndarray


@torch.no_grad()
def segment_scenes(model: Any, dataset: Synthia4DDataset) -> Iterator[SegmentedScene]:
    """Segment every labelled frame of a data set, every point of the stored cloud.

    The halves of a frame are predicted one after another and merged; points that the pipeline
    did not sample get the label of the nearest point that it did.

    Args:
        model: A segmentor; its ``test_step`` gives samples with ``pred_pts_seg`` ``(T, N)``.
        dataset: In test mode, with a pipeline that ends in ``PackSceneInputs``.

    Yields:
        One scene per labelled frame, in the order of the data set.

    Raises:
        ValueError: If the data set draws at random.
    """
    if not dataset.test_mode:
        raise ValueError('expected a data set with test_mode=True, so that the pipeline repeats')
    model.eval()
    parts: list[ScenePart] = []
    for idx in range(len(dataset)):
        packed = dataset[idx]
        sample = model.test_step(
            dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
        )[0]
        keys = ('point_index', 'pred_pts_seg', 'loss_mask')
        parts.append(ScenePart(*(sample.get(k)[-1].cpu().numpy() for k in keys)))
        info = dataset.get_data_info(idx)
        if idx + 1 < len(dataset):
            following = dataset.get_data_info(idx + 1)
            if all(following[k] == info[k] for k in ('video_id', 'frame_id')):
                continue
        batch = PointVideoStore(info['video_path']).read(info['frame_inds'][-1:])
        yield SegmentedScene(
            info['video_id'],
            info['frame_id'],
            batch.xyz,
            batch.channels.get('rgb'),
            batch.channels.get('label'),
            merge_scene(batch.xyz, parts),
        )
        parts = []
