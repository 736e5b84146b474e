# Synthia 4D for pre-training: 4 frames of 4096 points of whole scenes of sequence 04, every frame a
# segment of its own. Frames without three predecessors are left out: a repeated frame would make
# the target a copy of its context.
dataset_type = 'Synthia4DDataset'
data_root = 'data/synthia4d/'

train_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb']),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=4096),
    dict(type='RandomFlip', axis='x', prob=0.5),
    dict(type='RandomScale', scale_range=(0.8, 1.2), anisotropic=False),
    dict(type='RandomRotate', axis='y', angle_range=(0.0, 6.283185307)),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(type='SplitSegments', num_segments=4),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    batch_size=8,
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
        sequences=['SYNTHIA-SEQS-04'],
        num_frames=4,
        halves=False,
        short_videos='drop',
        pipeline=train_pipeline))
