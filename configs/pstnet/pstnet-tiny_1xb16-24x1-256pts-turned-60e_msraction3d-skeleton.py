# CPU-size PSTNet from scratch on the real motion of MSRAction-3D (simulated sensor), of clips that
# are turned besides, by the angles of the best pre-training.
_base_ = [
    '../_base_/models/pstnet-tiny_recognizer.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny.py',
    '../_base_/schedules/sgd_coslr_60e.py',
    '../default_runtime.py',
]

train_pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=256),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.9, 1.1), anisotropic=True),
    dict(type='RandomRotate', angle_range=(-0.35, 0.35), axis='y', about='clip'),
    dict(type='RandomRotate', angle_range=(-0.175, 0.175), axis='x', about='clip'),
    dict(type='PackPointVideoInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
