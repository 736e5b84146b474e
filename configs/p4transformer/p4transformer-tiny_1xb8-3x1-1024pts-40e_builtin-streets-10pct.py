# CPU-size segmentation of the built-in streets from scratch, with a tenth of the labelled frames.
_base_ = [
    '../_base_/models/p4transformer-tiny_segmentor.py',
    '../_base_/datasets/builtin_streets.py',
    '../_base_/schedules/sgd_coslr_40e.py',
    '../default_runtime.py',
]

model = dict(head=dict(class_weights={{_base_.class_weights}}))

train_dataloader = dict(dataset=dict(label_fraction=0.1))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook', key='mIoU'))
