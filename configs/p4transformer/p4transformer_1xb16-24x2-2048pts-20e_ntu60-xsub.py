# P4Transformer from scratch on NTU RGB+D 60, cross-subject; radius 0.1 as PSTNet's there.
_base_ = [
    '../_base_/models/p4transformer_recognizer.py',
    '../_base_/datasets/ntu_rgbd60.py',
    '../_base_/schedules/sgd_warmup_20e_ntu.py',
    '../default_runtime.py',
]

model = dict(encoder=dict(radius=0.1), head=dict(num_classes=60))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
