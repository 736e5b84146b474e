# CPU-size pre-training on the real motion of MSRAction-3D (simulated sensor), best settings: every
# batch holds clips of one subject, so that negatives differ in what is done, not in who does it.
# 5 batches an epoch, one a subject.
_base_ = [
    '../_base_/models/pointcpsc-best_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../_base_/schedules/adamw_coslr_200e.py',
    '../default_runtime.py',
]

train_dataloader = dict(
    sampler=dict(_delete_=True, type='GroupedSampler', field='subject'))

default_hooks = dict(checkpoint=dict(interval=10))
