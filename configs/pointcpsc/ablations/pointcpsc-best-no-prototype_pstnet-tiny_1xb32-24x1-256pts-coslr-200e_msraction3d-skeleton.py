# The best settings without the contrast of clips by one prototype.
_base_ = [
    '../../_base_/models/pointcpsc-best-clips_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain_halves.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

model = dict(cluster_head=None)

default_hooks = dict(checkpoint=dict(interval=10))
