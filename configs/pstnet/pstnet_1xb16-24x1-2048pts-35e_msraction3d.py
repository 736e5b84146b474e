# PSTNet from scratch on MSRAction-3D at 24 frames: the supervised baseline of Table 1, with the
# zero padding and radius of its own paper and the schedule of our fine-tuning.
_base_ = [
    '../_base_/models/pstnet_recognizer.py',
    '../_base_/datasets/msr_action3d.py',
    '../_base_/schedules/sgd_warmup_35e.py',
    '../default_runtime.py',
]

model = dict(encoder=dict(radius=0.5, padding_mode='zeros'))

train_dataloader = dict(dataset=dict(num_frames=24))
val_dataloader = dict(dataset=dict(num_frames=24))
test_dataloader = dict(dataset=dict(num_frames=24))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
