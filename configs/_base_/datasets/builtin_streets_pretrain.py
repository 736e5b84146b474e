# The built-in streets for pre-training on a CPU: 4 frames of 1024 points of a half-scene, as
# dense as in fine-tuning, every frame a segment of its own.
#   python tools/dataset_converters/make_builtin_streets.py --convert
dataset_type = 'Synthia4DDataset'
data_root = 'data/builtin_streets/'

train_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=1024, empty_frame='nearest'),
    dict(type='RandomFlip', axis='x', prob=0.5),
    dict(type='RandomScale', scale_range=(0.8, 1.2), anisotropic=False),
    dict(type='RandomRotate', axis='y', angle_range=(0.0, 6.283185307)),
    dict(type='ScaleFeatures', factor=1 / 255),
    # or the contrast between clips learns their light: measured, docs/results.md
    dict(type='RandomColor', gain_range=(0.6, 1.4), shift_range=(-0.2, 0.2)),
    dict(type='SplitSegments', num_segments=4),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        num_frames=4,
        short_videos='drop',
        pipeline=train_pipeline))
