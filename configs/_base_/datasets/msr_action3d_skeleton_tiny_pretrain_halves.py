# As msr_action3d_skeleton_tiny_pretrain.py, in batches of one subject, so that negatives differ in
# what is done, not in who does it, and in halves of 12 frames. Each half is scaled and turned (up
# to 20 degrees about the vertical, 10 about the horizontal axis) on its own: what both had in
# common would tell the clip from the others.
_base_ = './msr_action3d_skeleton_tiny_pretrain.py'

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='SplitSegments', num_segments=2),
    dict(
        type='ForEachSegment',
        transforms=[
            dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
            dict(type='RandomRotate', angle_range=(-0.35, 0.35), axis='y', about='clip'),
            dict(type='RandomRotate', angle_range=(-0.175, 0.175), axis='x', about='clip'),
        ]),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(
    sampler=dict(_delete_=True, type='GroupedSampler', field='subject'),
    dataset=dict(pipeline=train_pipeline))
