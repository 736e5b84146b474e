# CPU-size fine-tuning on the built-in streets with a tenth of the labelled frames: as from scratch
# but for the encoder's weights.
_base_ = [
    '../../_base_/models/p4transformer-tiny_segmentor.py',
    '../../_base_/datasets/builtin_streets.py',
    '../../_base_/schedules/sgd_coslr_40e.py',
    '../../default_runtime.py',
]

model = dict(
    encoder_checkpoint='work_dirs/'
    'pointcpsc-best_p4transformer-tiny_1xb4-4x1-1024pts-coslr-2e_builtin-streets/epoch_2.pth',
    head=dict(class_weights={{_base_.class_weights}}))

train_dataloader = dict(dataset=dict(label_fraction=0.1))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook', key='mIoU'))
