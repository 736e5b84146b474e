# The built-in actions, as msr_action3d_skeleton_tiny_pretrain_halves.py; a batch is the 28 videos
# of one subject.
_base_ = './msr_action3d_skeleton_tiny_pretrain_halves.py'

data_root = 'data/builtin_actions/'
train_dataloader = dict(batch_size=28, dataset=dict(data_root=data_root))
