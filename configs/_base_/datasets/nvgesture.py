# NvGesture: the 32 frames of a stored video, 1024 points (u, v, d), normalised clip by clip.
dataset_type = 'NvGestureDataset'
data_root = 'data/nvgesture/'

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=1024, empty_frame='nearest'),
    dict(type='NormalizeClip'),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='PackPointVideoInputs'),
]
test_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=1024, empty_frame='nearest'),
    dict(type='NormalizeClip'),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        num_frames=32,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='test',
        num_frames=32,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='VideoAccuracy')
test_evaluator = val_evaluator
