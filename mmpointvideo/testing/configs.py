"""Shrinking a config, so that its first step takes a second."""

from __future__ import annotations

import copy
from pathlib import Path

from mmengine.config import Config

# classes, frames a video and points a frame of the tiny data set that a shrunken config reads
_MAX_POINTS = 64
# of scenes: P4Transformer's strides leave one superpoint of 128
_MAX_SCENE_POINTS = 256


def shrink_config(cfg: Config, data_root: str | Path, work_dir: str | Path) -> Config:
    """A config that does the same on next to nothing: one epoch of one batch of two clips.

    Data come from ``data_root`` (see ``write_tiny_dataset``, and ``write_tiny_scenes`` for configs
    with ``Synthia4DDataset``), frames have at most 64 points, those of scenes at most 256,
    nothing is loaded from checkpoints, no worker processes are started; everything else stays.

    Args:
        cfg: The config; it is not changed.
        data_root: Folder of a tiny data set.
        work_dir: Folder of the run.

    Returns:
        The shrunken config, ready for ``Runner.from_cfg``.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(work_dir)
    cfg.load_from, cfg.resume = None, False
    if 'encoder_checkpoint' in cfg.model:
        cfg.model.encoder_checkpoint = None
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader')
        if loader is not None:
            _shrink_loader(loader, str(data_root))
    cfg.train_cfg.max_epochs = 1
    if cfg.get('val_cfg') is not None:
        cfg.train_cfg.val_interval = 1
    for scheduler in cfg.get('param_scheduler') or []:
        if scheduler.get('begin', 0) >= 1:
            scheduler.begin, scheduler.end = 0, 1
        elif 'end' in scheduler:
            scheduler.end = 1
    return cfg


def _shrink_loader(loader: dict, data_root: str) -> None:
    loader.update(batch_size=2, num_workers=0, persistent_workers=False, pin_memory=False)
    loader.pop('prefetch_factor', None)
    dataset = loader['dataset']
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    dataset['data_root'] = data_root
    # of three videos of the two training subjects exactly two are of one group
    dataset['max_videos'] = 3 if loader['sampler']['type'] == 'GroupedSampler' else 2
    if 'frame_interval' in dataset:  # the tiny videos are short
        dataset['frame_interval'] = 1
    scenes = dataset['type'] == 'Synthia4DDataset'
    if scenes and dataset.get('halves', True):  # one labelled frame is a batch of two
        dataset['max_videos'] = 1
    if scenes or dataset.get('clips') == 'all':
        dataset['clips'] = 1
    max_points = _MAX_SCENE_POINTS if scenes else _MAX_POINTS
    for step in dataset['pipeline']:
        if step['type'] == 'SamplePoints':
            step['num_points'] = min(step['num_points'], max_points)
