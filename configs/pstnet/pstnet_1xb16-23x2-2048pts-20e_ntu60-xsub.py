# PSTNet from scratch on NTU RGB+D 60, cross-subject, as its own paper has it: addition and max
# pooling, no padding in time and hence 23 frames, radius 0.1.
_base_ = [
    '../_base_/models/pstnet_recognizer.py',
    '../_base_/datasets/ntu_rgbd60.py',
    '../_base_/schedules/sgd_warmup_20e_ntu.py',
    '../default_runtime.py',
]

model = dict(
    encoder=dict(variant='ntu', radius=0.1, padding_mode='zeros'),
    head=dict(num_classes=60))

train_dataloader = dict(dataset=dict(num_frames=23))
val_dataloader = dict(dataset=dict(num_frames=23))
test_dataloader = dict(dataset=dict(num_frames=23))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
