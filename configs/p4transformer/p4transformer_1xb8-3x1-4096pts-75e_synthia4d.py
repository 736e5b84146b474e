# P4Transformer from scratch on Synthia 4D at the size of the ablations (Section 4.5).
_base_ = [
    '../_base_/models/p4transformer_segmentor.py',
    '../_base_/datasets/synthia4d_4096pts.py',
    '../_base_/schedules/sgd_warmup_75e.py',
    '../default_runtime.py',
]

# the validation sequence's last and best epoch; tools/test.py scores the test sequences
default_hooks = dict(best_and_last=dict(type='BestAndLastHook', key='mIoU'))
