# CPU size of Table 9, E3: 30 prototypes.
_base_ = [
    '../../_base_/models/pointcpsc_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../../_base_/schedules/adamw_coslr_20e.py',
    '../../default_runtime.py',
]

model = dict(contrast_head=dict(neighbor_start_epoch=2), cluster_head=dict(num_prototypes=30))
