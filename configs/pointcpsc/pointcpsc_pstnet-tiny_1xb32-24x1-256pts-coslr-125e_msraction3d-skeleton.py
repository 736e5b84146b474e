# CPU-size pre-training on the real motion of MSRAction-3D (simulated sensor), with the paper's
# losses, temperatures, neighbours and bank: 875 steps, about as many as the best settings' 1000.
_base_ = [
    '../_base_/models/pointcpsc_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../_base_/schedules/adamw_coslr_125e.py',
    '../default_runtime.py',
]

model = dict(contrast_head=dict(neighbor_start_epoch=12))
