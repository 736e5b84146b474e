# Base of the ablations on Synthia 4D (Tables 9 and 10): fine-tuning with 4096 points, 75 epochs.
_base_ = [
    '../../_base_/models/p4transformer_segmentor.py',
    '../../_base_/datasets/synthia4d_4096pts.py',
    '../../_base_/schedules/sgd_warmup_75e.py',
    '../../default_runtime.py',
]

model = dict(
    encoder_checkpoint='work_dirs/'
    'pointcpsc_p4transformer_1xb8-4x1-4096pts-coslr-200e_synthia4d-seq04/epoch_200.pth')

# the validation sequence's last and best epoch; tools/test.py scores the test sequences
default_hooks = dict(best_and_last=dict(type='BestAndLastHook', key='mIoU'))
