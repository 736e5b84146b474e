# As msr_action3d_skeleton_tiny.py, for pre-training: one random clip a video and epoch, in 6
# segments of 4 frames. Videos shorter than a clip are left out.
dataset_type = 'MSRAction3DDataset'
data_root = 'data/msr_action3d_skeleton/'

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='SplitSegments', num_segments=6),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        num_frames=24,
        clips='random',
        short_videos='drop',
        pipeline=train_pipeline))
