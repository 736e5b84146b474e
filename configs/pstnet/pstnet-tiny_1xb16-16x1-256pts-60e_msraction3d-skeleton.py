# CPU-size PSTNet from scratch on the real motion of MSRAction-3D, 16 frames.
_base_ = ['./pstnet-tiny_1xb16-24x1-256pts-60e_msraction3d-skeleton.py']

train_dataloader = dict(dataset=dict(num_frames=16))
val_dataloader = dict(dataset=dict(num_frames=16))
test_dataloader = dict(dataset=dict(num_frames=16))
