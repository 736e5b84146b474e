# The best settings with whole clips scaled and turned: context and target share size and angle.
_base_ = [
    '../../_base_/models/pointcpsc-best-clips_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain_halves.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='RandomRotate', angle_range=(-0.35, 0.35), axis='y', about='clip'),
    dict(type='RandomRotate', angle_range=(-0.175, 0.175), axis='x', about='clip'),
    dict(type='SplitSegments', num_segments=2),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

default_hooks = dict(checkpoint=dict(interval=10))
