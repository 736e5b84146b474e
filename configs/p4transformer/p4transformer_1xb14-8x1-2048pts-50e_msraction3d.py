# P4Transformer from scratch on MSRAction-3D at 8 frames, with the settings of its own paper.
_base_ = [
    '../_base_/models/p4transformer_recognizer.py',
    '../_base_/datasets/msr_action3d.py',
    '../_base_/schedules/sgd_warmup_50e.py',
    '../default_runtime.py',
]

train_dataloader = dict(batch_size=14, dataset=dict(num_frames=8))
val_dataloader = dict(batch_size=14, dataset=dict(num_frames=8))
test_dataloader = dict(batch_size=14, dataset=dict(num_frames=8))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
