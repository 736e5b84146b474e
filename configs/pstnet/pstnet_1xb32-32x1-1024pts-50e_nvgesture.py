# PSTNet from scratch on NvGesture, with the schedule of Table 4.
_base_ = [
    '../_base_/models/pstnet_recognizer.py',
    '../_base_/datasets/nvgesture.py',
    '../_base_/schedules/sgd_coslr_50e.py',
    '../default_runtime.py',
]

model = dict(encoder=dict(radius=0.2), head=dict(num_classes=25))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
