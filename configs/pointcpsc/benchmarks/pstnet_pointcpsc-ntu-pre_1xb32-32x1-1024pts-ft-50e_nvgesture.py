# Table 4: from NTU RGB+D 60 to NvGesture; SGD 0.02, batch 32, 50 epochs. The clip fills -1..1
# along its longest axis; radius 0.2 there is our choice, the paper names none.
_base_ = [
    '../../_base_/models/pstnet_recognizer.py',
    '../../_base_/datasets/nvgesture.py',
    '../../_base_/schedules/sgd_coslr_50e.py',
    '../../default_runtime.py',
]

model = dict(
    encoder=dict(radius=0.2),
    head=dict(num_classes=25),
    encoder_checkpoint='work_dirs/pointcpsc_pstnet_1xb88-24x2-1024pts-coslr-200e_ntu60-xsub/'
    'epoch_200.pth')

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
