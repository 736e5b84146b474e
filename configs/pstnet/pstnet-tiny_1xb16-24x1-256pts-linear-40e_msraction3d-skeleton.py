# The baseline of the linear probes on the real motion of MSRAction-3D (simulated sensor): a
# randomly initialised encoder with batch norm statistics measured on the training clips.
_base_ = [
    '../_base_/models/pstnet-tiny_linear.py',
    '../_base_/datasets/msr_action3d_skeleton_tiny.py',
    '../_base_/schedules/sgd_coslr_40e.py',
    '../default_runtime.py',
]

# as probes of left-out training subjects preferred
optim_wrapper = dict(optimizer=dict(lr=0.03))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
custom_hooks = [dict(type='CalibrateBatchNormHook', num_batches=16)]
