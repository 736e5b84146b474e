# CPU-size pre-training on the real motion of MSRAction-3D (simulated sensor), best settings: every
# batch holds clips of one subject (5 batches an epoch, one a subject), halves that are scaled and
# turned each on its own, superpoints and whole clips contrasted with those of the batch.
_base_ = [
    '../_base_/models/pointcpsc-best-clips_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain_halves.py',
    '../_base_/schedules/adamw_coslr_200e.py',
    '../default_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=10))
