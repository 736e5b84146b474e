"""Features of a whole data set."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from mmengine.utils import ProgressBar
from torch.utils.data import DataLoader

from mmpointvideo.checkpoints import load_encoder_weights
from mmpointvideo.engine.hooks import calibrate_batch_norm
from mmpointvideo.models.segmentors import PointVideoSegmentor

from .init_model import init_model

#: label of a clip whose video has none, see :func:`extract_features`
NO_LABEL = -1


def init_feature_model(
    cfg: Config,
    checkpoint: str,
    prefix: str = 'encoder.',
    seed: int = 0,
    calibration_batches: int = 16,
    device: str | None = None,
) -> BaseModel:
    """The model of a downstream task around a frozen encoder, for :func:`extract_features`.

    Args:
        cfg: Config of a downstream task; its head is not used.
        checkpoint: Checkpoint of any model that has the same encoder, or ``'random'``.
        prefix: The encoder's name in the checkpoint.
        seed: Of the random encoder.
        calibration_batches: Training batches that a random encoder's batch norm statistics are
            measured on, as ``CalibrateBatchNormHook`` does; 0: none.
        device: By default a GPU where there is one.

    Raises:
        ValueError: If the config's model gives no feature of a clip, or the checkpoint has no
            encoder that fits.
    """
    refusal = (
        f'{cfg.filename}: expected a model with an encoder that gives one feature of a clip, got '
        f'{cfg.model.type}: use a config of a downstream task (linear probe, fine-tuning)'
    )
    if 'encoder' not in cfg.model:
        raise ValueError(refusal)
    cfg = copy.deepcopy(cfg)
    cfg.model.pop('encoder_checkpoint', None)
    set_random_seed(seed)
    model: Any = init_model(cfg, device=device)
    if not hasattr(model, 'extract_feat') or isinstance(model, PointVideoSegmentor):
        raise ValueError(refusal)
    if checkpoint == 'random':
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=seed)
        calibrate_batch_norm(model, loader, calibration_batches)
    else:
        load_encoder_weights(model.encoder, checkpoint, prefix)
    return model


def build_feature_dataloader(cfg: Config, split: str) -> DataLoader:
    """The clips of a split as they are tested: no augmentation, in order, each once.

    Args:
        cfg: Config with ``train_dataloader`` and ``test_dataloader``.
        split: ``'train'``: the training clips through the test pipeline. ``'test'``.

    Raises:
        ValueError: If the config has no such loaders.
    """
    if split not in ('train', 'test'):
        raise ValueError(f"split: expected 'train' or 'test', got {split!r}")
    for name in ('train_dataloader', 'test_dataloader'):
        if not cfg.get(name):
            raise ValueError(
                f'features of the {split} clips need a {name} in the config: use a config of a '
                'downstream task (linear probe, fine-tuning)'
            )
    init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
    loader = copy.deepcopy(cfg.test_dataloader)
    if split == 'train':
        loader.dataset = copy.deepcopy(cfg.train_dataloader.dataset)
        videos = loader.dataset
        while 'dataset' in videos:  # a wrapper, such as LabelFraction
            videos = videos.dataset
        videos.pipeline = copy.deepcopy(cfg.test_dataloader.dataset.pipeline)
        videos.test_mode = True
        videos.clips = cfg.test_dataloader.dataset.get('clips', 'all')
    loader.sampler = dict(type='DefaultSampler', shuffle=False, round_up=False)
    loader.drop_last = False
    return Runner.build_dataloader(loader)


@torch.no_grad()
def extract_features(model: BaseModel, dataloader: DataLoader, progress: bool = True) -> dict:
    """Run a frozen encoder over a data set.

    Args:
        model: A model with ``extract_feat``, such as ``PointVideoRecognizer``; it is put into
            eval mode for the time being.
        dataloader: Batches for the model, as :func:`build_feature_dataloader` gives them.
        progress: Show a progress bar.

    Returns:
        ``features`` ``(n, c)`` float32 and ``labels`` ``(n,)`` int64 on the CPU, -1 where the
        video has no label (see :func:`check_labels`); ``video_ids`` and ``clip_starts``, lists
        of n.

    Raises:
        TypeError: If the model gives no feature of a clip.
    """
    if not hasattr(model, 'extract_feat'):
        raise TypeError(
            f'extract_features expects a model with extract_feat, got {type(model).__name__}: '
            'use a PointVideoRecognizer over its encoder'
        )
    extract: Any = model.extract_feat
    was_training = model.training
    model.eval()
    features, labels = [], []
    video_ids: list[str] = []
    clip_starts: list[Any] = []
    bar = ProgressBar(len(dataloader)) if progress else None
    for batch in dataloader:
        batch = model.data_preprocessor(batch, False)
        features.append(extract(batch['inputs']).float().cpu())
        for sample in batch['data_samples']:
            labels.append(int(sample.gt_label) if 'gt_label' in sample else NO_LABEL)
            video_ids.append(sample.video_id)
            clip_starts.append(sample.get('clip_start'))
        if bar is not None:
            bar.update()
    if bar is not None:
        print()
    model.train(was_training)
    return {
        'features': torch.cat(features),
        'labels': torch.tensor(labels, dtype=torch.int64),
        'video_ids': video_ids,
        'clip_starts': clip_starts,
    }


def check_labels(found: dict, purpose: str) -> None:
    """Refuse features of videos without a label, where labels are needed.

    Args:
        found: From :func:`extract_features`.
        purpose: What needs them, for the message.

    Raises:
        ValueError: If a video has no label; names the first.
    """
    unlabelled = (found['labels'] == NO_LABEL).nonzero().flatten().tolist()
    if unlabelled:
        names = dict.fromkeys(found['video_ids'][index] for index in unlabelled)
        raise ValueError(
            f'video {next(iter(names))}: {purpose} needs a label of every video, {len(names)} have '
            'none: give them one in the annotation file, or leave them out of the split'
        )
