# The best settings with every half scaled on its own, and nothing turned.
_base_ = ['../pointcpsc-best_pstnet-tiny_1xb32-24x1-256pts-coslr-200e_msraction3d-skeleton.py']

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='SplitSegments', num_segments=2),
    dict(
        type='ForEachSegment',
        transforms=[dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True)]),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
