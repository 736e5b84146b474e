# CPU-size linear probe on the built-in actions.
_base_ = [
    '../../_base_/models/pstnet-tiny_linear.py',
    '../../_base_/datasets/builtin_actions_tiny.py',
    '../../_base_/schedules/sgd_warmup_20e.py',
    '../../default_runtime.py',
]

model = dict(
    encoder_checkpoint='work_dirs/'
    'pointcpsc-best_pstnet-tiny_1xb28-24x1-256pts-coslr-40e_builtin-actions/epoch_40.pth',
    head=dict(num_classes=14))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
