# The built-in actions, as msr_action3d_skeleton_tiny.py.
_base_ = './msr_action3d_skeleton_tiny.py'

data_root = 'data/builtin_actions/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
