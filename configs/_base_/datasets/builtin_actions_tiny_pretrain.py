# The built-in actions, as msr_action3d_skeleton_tiny_pretrain.py.
_base_ = './msr_action3d_skeleton_tiny_pretrain.py'

data_root = 'data/builtin_actions/'
train_dataloader = dict(dataset=dict(data_root=data_root))
