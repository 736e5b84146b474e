# Pre-training on NTU RGB+D 60 with the paper's settings (Section 4.1): interval 2, radius 0.1.
_base_ = [
    '../_base_/models/pointcpsc_pstnet.py',
    '../_base_/datasets/ntu_rgbd60_pretrain.py',
    '../_base_/schedules/adamw_coslr_200e.py',
    '../default_runtime.py',
]

model = dict(encoder=dict(radius=0.1))
