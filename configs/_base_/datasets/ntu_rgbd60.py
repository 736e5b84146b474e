# NTU RGB+D 60, cross-subject: 24 frames at interval 2, 2048 points; clips start at every second
# frame. The mask loses the person in some frames: the nearest frame stands in.
dataset_type = 'NTURGBDDataset'
data_root = 'data/ntu_rgbd60/'

# millimetres; the networks' radii refer to mm * 100 / 65535 (1 m is 1.526 units), as published
train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=2048, empty_frame='nearest'),
    dict(type='ScaleCoordinates', factor=100 / 65535),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='PackPointVideoInputs'),
]
test_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=2048, empty_frame='nearest'),
    dict(type='ScaleCoordinates', factor=100 / 65535),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=16,
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
        protocol='cross_subject',
        num_frames=24,
        frame_interval=2,
        clip_stride=2,
        clips='all',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='test',
        protocol='cross_subject',
        num_frames=24,
        frame_interval=2,
        clip_stride=2,
        clips='all',
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='VideoAccuracy')
test_evaluator = val_evaluator
