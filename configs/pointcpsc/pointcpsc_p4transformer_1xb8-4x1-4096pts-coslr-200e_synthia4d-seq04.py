# Pre-training on sequence 04 of Synthia 4D with the paper's settings (Section 4.1): 4 frames of
# 4096 points, radius 0.9, 32 neighbours, prototype alignment and soft category alignment.
_base_ = [
    '../_base_/models/pointcpsc_p4transformer.py',
    '../_base_/datasets/synthia4d_pretrain.py',
    '../_base_/schedules/adamw_coslr_200e.py',
    '../default_runtime.py',
]
