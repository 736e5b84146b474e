# The best settings with mixed batches instead of those of one subject: 143 epochs of 7, about as
# many steps.
_base_ = [
    '../../_base_/models/pointcpsc-best-clips_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain_halves.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

train_dataloader = dict(sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True))

param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        by_epoch=True,
        begin=0,
        end=143,
        convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=143)

default_hooks = dict(checkpoint=dict(interval=10))
