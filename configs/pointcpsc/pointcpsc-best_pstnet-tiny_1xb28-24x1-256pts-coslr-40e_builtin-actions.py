# CPU-size pre-training on the built-in actions with our best settings, those of the real motion; a
# batch is the 28 videos of one subject.
_base_ = [
    '../_base_/models/pointcpsc-best-clips_pstnet-tiny.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny_pretrain_halves.py',
    '../_base_/schedules/adamw_coslr_40e.py',
    '../default_runtime.py',
]

data_root = 'data/builtin_actions/'
train_dataloader = dict(batch_size=28, dataset=dict(data_root=data_root))
