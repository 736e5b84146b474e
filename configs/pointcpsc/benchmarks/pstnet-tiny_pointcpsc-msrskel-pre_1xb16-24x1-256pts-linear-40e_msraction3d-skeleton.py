# CPU-size linear probe on the real motion of MSRAction-3D (simulated sensor).
_base_ = [
    '../../_base_/models/pstnet-tiny_linear.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny.py',
    '../../_base_/schedules/sgd_coslr_40e.py',
    '../../default_runtime.py',
]

model = dict(
    encoder_checkpoint='work_dirs/'
    'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-125e_msraction3d-skeleton/epoch_125.pth')

# as probes of left-out training subjects preferred
optim_wrapper = dict(optimizer=dict(lr=0.03))

default_hooks = dict(best_and_last=dict(type='BestAndLastHook'))
