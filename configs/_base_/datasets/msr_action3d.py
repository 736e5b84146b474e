# MSRAction-3D for supervised training, fine-tuning and linear probing: 24 frames of 2048 points.
# A config for another clip length overrides num_frames of the three datasets.
dataset_type = 'MSRAction3DDataset'
data_root = 'data/msr_action3d/'

# raw depth units are about 4 mm; the networks' radii refer to coordinates divided by 300
train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=2048),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='PackPointVideoInputs'),
]
test_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=2048),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=16,
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
        num_frames=24,
        clips='all',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='test',
        num_frames=24,
        clips='all',
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='VideoAccuracy')
test_evaluator = val_evaluator
