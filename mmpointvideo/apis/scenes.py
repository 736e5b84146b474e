"""Segmentation of whole scenes from crops of them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpointvideo.datasets.scene_merge import ScenePart, merge_scene
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.synthia4d import Synthia4DDataset
from mmpointvideo.datasets.transforms import MapPointLabels
from mmpointvideo.evaluation.seg_iou import SegIoU
from mmpointvideo.registry import DATASETS


class SegmentedScene(NamedTuple):
    """The labelled frame of a clip, all its points.

    Attributes:
        video_id: The sequence.
        frame_id: The frame's number in it.
        xyz: ``(n, 3)`` float32, world coordinates.
        center: ``(3,)`` float64, where the frame's cameras are.
        rgb: ``(n, 3)`` uint8, or None where the store has no colours.
        gt_label: ``(n,)`` stored label ids, or None.
        gt_class: ``(n,)`` int64, their classes, 255 where there is none; or None.
        pred_label: ``(n,)`` int64, predicted classes.
    """

    video_id: str
    frame_id: int
    xyz: np.ndarray
    center: np.ndarray
    rgb: np.ndarray | None
    gt_label: np.ndarray | None
    gt_class: np.ndarray | None
    pred_label: np.ndarray


def build_scene_dataset(
    cfg: Config, split: str | None = None, frames_per_video: int | None = None
) -> Synthia4DDataset:
    """The scenes that a config is tested on, or another split of them, for :func:`segment_scenes`.

    Args:
        cfg: Config with a ``test_dataloader`` over a ``Synthia4DDataset``.
        split: ``'train'``, ``'val'``, ``'test'`` or ``'all'``; by default the config's.
        frames_per_video: So many evenly spaced labelled frames of every video; by default those
            that the config says.

    Raises:
        ValueError: If the config has no such loader.
    """
    loader = cfg.get('test_dataloader')
    found = loader and loader.dataset.get('type')
    if found != 'Synthia4DDataset':
        raise ValueError(
            f'whole scenes need a config whose test_dataloader has a Synthia4DDataset, got {found}'
        )
    init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
    config = copy.deepcopy(loader.dataset)
    config.test_mode = True
    if split is not None:
        config.split = split
    if frames_per_video is not None:
        config.clips = frames_per_video
    return DATASETS.build(config)


def segment_scenes(model: Any, dataset: Synthia4DDataset) -> Iterator[SegmentedScene]:
    """Segment every labelled frame of a data set, every point of the stored cloud.

    The halves of a frame are predicted one after another and merged; points that the pipeline
    did not sample get the label of the nearest point that it did.

    Args:
        model: A segmentor; its ``test_step`` gives samples with ``pred_pts_seg`` ``(T, N)``.
        dataset: In test mode, with a pipeline that ends in ``PackSceneInputs``, as
            :func:`build_scene_dataset` makes it.

    Yields:
        One scene per labelled frame, in the order of the data set.

    Raises:
        ValueError: If the data set draws at random.
    """
    for frame in range(dataset.num_labelled_frames):
        yield segment_scene(model, dataset, frame)


def find_scenes(dataset: Synthia4DDataset, video: int) -> list[int]:
    """Which of a data set's labelled frames are of a video, for :func:`segment_scene`.

    Args:
        dataset: As :func:`segment_scenes`.
        video: Which of the videos that have labelled frames in the data set, counted from 0.

    Raises:
        IndexError: If there is no such video.
    """
    owners = dataset.clip_videos[:: 1 + dataset.halves]
    videos = np.unique(owners)
    if not 0 <= video < len(videos):
        raise IndexError(f'video: expected 0..{len(videos) - 1}, got {video}')
    return np.flatnonzero(owners == videos[video]).tolist()


@torch.no_grad()
def segment_scene(model: Any, dataset: Synthia4DDataset, frame: int = 0) -> SegmentedScene:
    """Segment one labelled frame of a data set, every point of it.

    Args:
        model: As :func:`segment_scenes`.
        dataset: As :func:`segment_scenes`.
        frame: Which of the data set's labelled frames, counted from 0.

    Raises:
        IndexError: If there is no such frame.
        ValueError: If the data set draws at random.
    """
    if not dataset.test_mode:
        raise ValueError('expected a data set with test_mode=True, so that the pipeline repeats')
    crops = 1 + dataset.halves
    if not 0 <= frame < dataset.num_labelled_frames:
        raise IndexError(f'frame: expected 0..{dataset.num_labelled_frames - 1}, got {frame}')
    model.eval()
    parts = []
    for idx in range(frame * crops, (frame + 1) * crops):
        packed = dataset[idx]
        sample = model.test_step(
            dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
        )[0]
        keys = ('point_index', 'pred_pts_seg', 'loss_mask')
        parts.append(ScenePart(*(sample.get(k)[-1].cpu().numpy() for k in keys)))
    info = dataset.get_data_info(frame * crops)
    batch = PointVideoStore(info['video_path']).read(info['frame_inds'][-1:])
    stored = batch.channels.get('label')
    return SegmentedScene(
        info['video_id'],
        info['frame_id'],
        batch.xyz,
        info['center'],
        batch.channels.get('rgb'),
        stored,
        None if stored is None else _to_classes(stored, dataset, info),
        merge_scene(batch.xyz, parts),
    )


def score_scenes(
    scenes: Iterable[SegmentedScene], dataset: Synthia4DDataset, ignore_index: int = 255
) -> dict[str, float]:
    """IoU over all points of whole scenes; logs the table of classes (see ``SegIoU``).

    Args:
        scenes: As :func:`segment_scenes` gives them.
        dataset: The data set that they are from.
        ignore_index: Class of points that do not count.

    Returns:
        ``mIoU``, ``mAcc``, ``acc`` and ``IoU_<class>``, in percent.

    Raises:
        ValueError: If there is no scene, or one has no labels.
    """
    metric = SegIoU(ignore_index=ignore_index)
    metric.dataset_meta = dataset.metainfo
    count = 0
    for scene in scenes:
        if scene.gt_class is None:
            raise ValueError(f'{scene.video_id}, frame {scene.frame_id}: no labels are stored')
        sample = dict(
            video_id=scene.video_id,
            sample_idx=count,
            gt_pts_seg=torch.from_numpy(scene.gt_class)[None],
            pred_pts_seg=torch.from_numpy(scene.pred_label)[None],
        )
        metric.process(None, [sample])
        count += 1
    if not count:
        raise ValueError('expected scenes to score, got none')
    return metric.evaluate(count)


def _to_classes(stored: np.ndarray, dataset: Synthia4DDataset, info: dict) -> np.ndarray:
    """Classes of stored label ids, by what the data set says about them."""
    meta = dataset.metainfo
    mapping = MapPointLabels(meta['label_ids'], meta['ignored_ids'])
    results = dict(info, point_labels=dict(label=stored))
    return mapping.transform(results)['point_labels']['label']
