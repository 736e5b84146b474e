# CPU-size linear probe on the real motion of MSRAction-3D, 16 frames, after the best settings.
_base_ = [
    './pstnet-tiny_pointcpsc-best-msrskel-pre_1xb16-24x1-256pts-linear-40e_msraction3d-skeleton.py',
]

train_dataloader = dict(dataset=dict(num_frames=16))
val_dataloader = dict(dataset=dict(num_frames=16))
test_dataloader = dict(dataset=dict(num_frames=16))
