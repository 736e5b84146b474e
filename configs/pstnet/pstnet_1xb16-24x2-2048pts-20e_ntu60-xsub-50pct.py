# PSTNet from scratch with the same 50 % of the labels as the fine-tuning of Table 3 and the same
# network: what pre-training has to beat.
_base_ = [
    '../_base_/models/pstnet_recognizer.py',
    '../_base_/datasets/ntu_rgbd60_50pct.py',
    '../_base_/schedules/sgd_warmup_20e_ntu.py',
    '../default_runtime.py',
]

model = dict(encoder=dict(radius=0.5), head=dict(num_classes=60))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
