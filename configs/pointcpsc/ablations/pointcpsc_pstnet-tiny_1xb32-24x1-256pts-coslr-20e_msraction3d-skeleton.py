# CPU size of the ablations' common column (A2, B3, C2, D3, E1, F3): the paper's settings.
_base_ = [
    '../../_base_/models/pointcpsc_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../../_base_/schedules/adamw_coslr_20e.py',
    '../../default_runtime.py',
]

model = dict(contrast_head=dict(neighbor_start_epoch=2))
