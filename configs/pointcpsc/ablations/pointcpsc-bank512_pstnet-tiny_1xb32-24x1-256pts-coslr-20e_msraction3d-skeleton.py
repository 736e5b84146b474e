# CPU size of Table 8, D2: a memory bank of 512.
_base_ = [
    '../../_base_/models/pointcpsc_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../../_base_/schedules/adamw_coslr_20e.py',
    '../../default_runtime.py',
]

model = dict(contrast_head=dict(neighbor_start_epoch=2), memory_bank=dict(size=512))
