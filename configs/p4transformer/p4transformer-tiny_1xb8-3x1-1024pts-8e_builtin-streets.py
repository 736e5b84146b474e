# CPU-size segmentation of the built-in streets from scratch.
_base_ = [
    '../_base_/models/p4transformer-tiny_segmentor.py',
    '../_base_/datasets/builtin_streets.py',
    '../_base_/schedules/sgd_coslr_8e.py',
    '../default_runtime.py',
]

model = dict(head=dict(class_weights={{_base_.class_weights}}))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook', key='mIoU'))
