# CPU-size pre-training on the real motion of MSRAction-3D (simulated sensor), best settings:
# * Every batch holds clips of one subject, so that negatives differ in what is done, not in who
#   does it. 5 batches an epoch, one a subject.
# * The second half of a clip is predicted from the first. Each half is scaled and turned (up to 20
#   degrees about the vertical, 10 about the horizontal axis) on its own: what both had in common
#   would tell the clip from the others.
# * Beside superpoints, whole clips are contrasted with the others of the batch: by one prototype a
#   clip, the mean of its superpoints, and by the pooled features of its halves.
_base_ = [
    '../_base_/models/pointcpsc-best_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../_base_/schedules/adamw_coslr_200e.py',
    '../default_runtime.py',
]

model = dict(
    cluster_head=dict(
        type='SemanticClusterHead',
        channels=256,
        num_prototypes=1,
        predictor_channels=0,
        prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
        prototype_weight=3.0),
    clip_head=dict(
        type='ClipContrastHead',
        projector=dict(
            type='MLPProjector', in_channels=256, hidden_channels=512, out_channels=256),
        predictor=dict(
            type='MLPProjector', in_channels=256, hidden_channels=512, out_channels=256),
        loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
        weight=3.0))

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

default_hooks = dict(checkpoint=dict(interval=10))
