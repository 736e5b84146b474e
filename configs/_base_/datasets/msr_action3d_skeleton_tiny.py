# The real motion of MSRAction-3D as the simulated sensor sees it (subjects 1 to 5 train), for one
# small machine: one random clip of 24 frames and 256 points a video and epoch, three evenly
# spaced clips a test video.
dataset_type = 'MSRAction3DDataset'
data_root = 'data/msr_action3d_skeleton/'

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='PackPointVideoInputs'),
]
test_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=16,
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
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='test',
        num_frames=24,
        clips=3,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='VideoAccuracy')
test_evaluator = val_evaluator
