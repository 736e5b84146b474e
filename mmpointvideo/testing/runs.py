"""A whole pre-training run of a few seconds."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .datasets import write_tiny_dataset

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def tiny_pretraining(work_dir: str | Path, data_root: str | Path, **changes: Any) -> Config:
    """PointCPSC on 16 tiny videos: 3 epochs of 4 batches, with bank and prototypes.

    Everything that a real run has is in it (random clips, augmentation, warm-up, a bank that
    wraps around, all default hooks); a step takes some hundredths of a second.

    Args:
        work_dir: Folder of the run.
        data_root: Folder of the data set; it is written if it is not there.
        **changes: As of ``--cfg-options``, dots written as ``__``, such as
            ``train_dataloader__num_workers=2``.

    Returns:
        The config, ready for ``Runner.from_cfg``.
    """
    data_root = Path(data_root)
    if not (data_root / 'annotations.json').is_file():
        write_tiny_dataset(data_root, num_classes=2, subjects=(1, 2, 3, 4), num_frames=(14, 12))
    cfg = Config.fromfile(CONFIGS / 'default_runtime.py')
    pipeline = [
        dict(type='SampleFrames'),
        dict(type='LoadPointVideoFrames'),
        dict(type='SamplePoints', num_points=32),
        dict(type='ScaleCoordinates', factor=1 / 300),
        dict(type='RandomScale', scale_range=(0.9, 1.1)),
        dict(type='SplitSegments', num_segments=3),
        dict(type='PackPointVideoInputs'),
    ]
    cfg.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            experiment_name=uuid.uuid4().hex,  # MMEngine keeps one log history a name
            model=_MODEL,
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                drop_last=True,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(
                    type='MSRAction3DDataset',
                    data_root=str(data_root),
                    ann_file='annotations.json',
                    split='train',
                    num_frames=12,
                    clips='random',
                    pipeline=pipeline,
                ),
            ),
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05)
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
                dict(type='CosineAnnealingLR', by_epoch=False, begin=5, end=12),
            ],
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
            custom_hooks=[dict(type='MemoryBankHook')],
            default_hooks=dict(logger=dict(interval=100)),
            log_level='WARNING',
        )
    )
    cfg.merge_from_dict({name.replace('__', '.'): value for name, value in changes.items()})
    return cfg


_MODEL = dict(
    type='PointCPSC',
    encoder=dict(type='PSTNetEncoder', width=1 / 16, num_neighbors=4, padding_mode='replicate'),
    projector=dict(type='MLPProjector', in_channels=128, hidden_channels=32, out_channels=16),
    autoregressor=dict(
        type='CausalAutoregressor',
        channels=16,
        depth=1,
        num_heads=2,
        head_channels=8,
        mlp_channels=32,
    ),
    predictor=dict(type='MLPProjector', in_channels=16, hidden_channels=32, out_channels=16),
    contrast_head=dict(
        type='PointContrastHead',
        loss=dict(type='PointInfoNCELoss', temperature=0.1, in_batch_negatives=True),
    ),
    cluster_head=dict(
        type='SemanticClusterHead',
        channels=16,
        num_prototypes=4,
        prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
        assignment_loss=dict(type='AssignmentKLLoss'),
    ),
    memory_bank=dict(type='MemoryBank', size=32, channels=16, enqueue_per_iter=6),
)
