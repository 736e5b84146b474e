"""A whole run of the toy recogniser."""

_base_ = ['../../configs/default_runtime.py']

custom_imports = dict(imports=['tests.test_engine.toy'])
model = dict(type='ToyRecognizer')
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='ToyClips', num_videos=30, seed=0),
)
# 13 videos, 25 clips: an uneven number for two processes
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyClips', num_videos=13, seed=1),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='VideoAccuracy')
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
param_scheduler = dict(type='MultiStepLR', milestones=[3], gamma=0.1, by_epoch=True)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=1)
val_cfg = dict()
test_cfg = dict()
custom_hooks = [dict(type='BestAndLastHook')]
