# Table 3: fine-tuning on NTU RGB+D 60, cross-subject, with 50 % of the labels; radius 0.5.
_base_ = [
    '../../_base_/models/pstnet_recognizer.py',
    '../../_base_/datasets/ntu_rgbd60_50pct.py',
    '../../_base_/schedules/sgd_warmup_20e_ntu.py',
    '../../default_runtime.py',
]

model = dict(
    encoder=dict(radius=0.5),
    head=dict(num_classes=60),
    encoder_checkpoint='work_dirs/pointcpsc_pstnet_1xb88-24x2-1024pts-coslr-200e_ntu60-xsub/'
    'epoch_200.pth')

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
