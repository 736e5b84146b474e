# Linear probing of tiny configs: the 35-epoch schedule shortened to 20, with a larger learning
# rate for the one layer that is trained.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4))

param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[12, 17], gamma=0.1, begin=0, end=20),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
