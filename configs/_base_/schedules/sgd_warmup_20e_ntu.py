# Training and fine-tuning on NTU RGB+D: SGD, 20 epochs, linear warm-up over the first 2, then
# x 0.1 at epochs 5 and 10.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        by_epoch=True,
        begin=0,
        end=2,
        convert_to_iter_based=True),
    dict(type='MultiStepLR', by_epoch=True, milestones=[5, 10], gamma=0.1, begin=0, end=20),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
