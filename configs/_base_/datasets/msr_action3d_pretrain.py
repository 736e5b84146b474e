# MSRAction-3D for pre-training: every clip of 24 frames of the training videos, 1024 points,
# split into 6 segments of 4 frames. Videos shorter than a clip are left out: a repeated frame
# would make the target a copy of its context.
dataset_type = 'MSRAction3DDataset'
data_root = 'data/msr_action3d/'

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=1024),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='SplitSegments', num_segments=6),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=88,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        num_frames=24,
        clips='all',
        short_videos='drop',
        pipeline=train_pipeline))
