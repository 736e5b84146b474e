# Pre-training on MSRAction-3D with the paper's settings (Section 4.1).
_base_ = [
    '../_base_/models/pointcpsc_pstnet.py',
    '../_base_/datasets/msr_action3d_pretrain.py',
    '../_base_/schedules/adamw_coslr_200e.py',
    '../default_runtime.py',
]
