# CPU-size pre-training on the real motion of MSRAction-3D (simulated sensor): superpoints alone are
# contrasted, over 40 epochs of mixed batches, for a first look and for measurements. The best
# settings (coslr-200e) contrast whole clips too, in batches of one subject, for three times the
# steps.
_base_ = [
    '../_base_/models/pointcpsc-best_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../_base_/schedules/adamw_coslr_40e.py',
    '../default_runtime.py',
]
