# The built-in actions, as msr_action3d_skeleton_tiny_pretrain_halves.py; a batch is one subject's 28
# videos.
_base_ = './msr_action3d_skeleton_tiny_pretrain_halves.py'

data_root = 'data/builtin_actions/'
train_dataloader = dict(batch_size=28, dataset=dict(data_root=data_root))
