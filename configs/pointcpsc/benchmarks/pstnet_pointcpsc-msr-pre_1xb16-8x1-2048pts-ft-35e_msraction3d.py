# Table 1, end-to-end fine-tuning at 8 frames: 2048 points, radius 0.3, 9 neighbours.
_base_ = [
    '../../_base_/models/pstnet_recognizer.py',
    '../../_base_/datasets/msr_action3d.py',
    '../../_base_/schedules/sgd_warmup_35e.py',
    '../../default_runtime.py',
]

model = dict(
    encoder_checkpoint='work_dirs/pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d/'
    'epoch_200.pth')

train_dataloader = dict(dataset=dict(num_frames=8))
val_dataloader = dict(dataset=dict(num_frames=8))
test_dataloader = dict(dataset=dict(num_frames=8))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
