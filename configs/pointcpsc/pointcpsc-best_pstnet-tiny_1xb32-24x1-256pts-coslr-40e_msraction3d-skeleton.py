# CPU-size pre-training on the real motion of MSRAction-3D (simulated sensor): the losses of the
# best settings over 40 epochs of mixed batches, for a first look and for measurements; three times
# the steps, with batches of one subject (coslr-200e), make better features.
_base_ = [
    '../_base_/models/pointcpsc-best_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../_base_/schedules/adamw_coslr_40e.py',
    '../default_runtime.py',
]
