# The baseline of the linear probes on the built-in actions: a
# randomly initialised encoder with batch norm statistics measured on the training clips.
_base_ = [
    '../_base_/models/pstnet-tiny_linear.py',
    '../_base_/datasets/builtin_actions_tiny.py',
    '../_base_/schedules/sgd_warmup_20e.py',
    '../default_runtime.py',
]

model = dict(head=dict(num_classes=14))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
custom_hooks = [dict(type='CalibrateBatchNormHook', num_batches=16)]
