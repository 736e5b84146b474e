# The baseline of the CPU-size linear probes on the real motion of MSRAction-3D, 16 frames: a
# randomly initialised encoder with batch norm statistics measured on the training clips.
_base_ = './pstnet-tiny_1xb16-24x1-256pts-linear-40e_msraction3d-skeleton.py'

train_dataloader = dict(dataset=dict(num_frames=16))
val_dataloader = dict(dataset=dict(num_frames=16))
test_dataloader = dict(dataset=dict(num_frames=16))
