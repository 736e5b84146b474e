# P4Transformer from scratch on Synthia 4D (Table 2): single frames of 16384 points.
_base_ = [
    '../_base_/models/p4transformer_segmentor.py',
    '../_base_/datasets/synthia4d.py',
    '../_base_/schedules/sgd_warmup_150e.py',
    '../default_runtime.py',
]

train_dataloader = dict(dataset=dict(num_frames=1))
val_dataloader = dict(dataset=dict(num_frames=1))
test_dataloader = dict(dataset=dict(num_frames=1))

# the validation sequence's last and best epoch; tools/test.py scores the test sequences
default_hooks = dict(best_and_last=dict(type='BestAndLastHook', key='mIoU'))
