# The paper's losses on the batches and halves of the best settings.
_base_ = [
    '../../_base_/models/pointcpsc_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain_halves.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

model = dict(contrast_head=dict(neighbor_start_epoch=20))

default_hooks = dict(checkpoint=dict(interval=10))
