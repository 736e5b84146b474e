# NTU RGB+D 60 for pre-training: all training videos of the cross-subject protocol (labels are not
# used), 24 frames at interval 2 in 6 segments, 1024 points. Videos shorter than a clip are left
# out: a repeated frame would make the target a copy of its context.
dataset_type = 'NTURGBDDataset'
data_root = 'data/ntu_rgbd60/'

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=1024, empty_frame='nearest'),
    dict(type='ScaleCoordinates', factor=100 / 65535),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='SplitSegments', num_segments=6),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=88,
    num_workers=16,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        protocol='cross_subject',
        num_frames=24,
        frame_interval=2,
        clip_stride=2,
        clips='all',
        short_videos='drop',
        pipeline=train_pipeline))
