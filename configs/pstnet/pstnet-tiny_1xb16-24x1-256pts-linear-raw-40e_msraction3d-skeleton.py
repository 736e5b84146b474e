# The baseline of the linear probes on the features as they are, without standardising them: a
# randomly initialised encoder with batch norm statistics measured on the training clips.
_base_ = [
    '../_base_/models/pstnet-tiny_linear.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny.py',
    '../_base_/schedules/sgd_coslr_40e.py',
    '../default_runtime.py',
]

model = dict(head=dict(standardize=False))

# chosen on left-out training subjects
optim_wrapper = dict(optimizer=dict(lr=30.0, weight_decay=0.0))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
custom_hooks = [dict(type='CalibrateBatchNormHook', num_batches=16)]
