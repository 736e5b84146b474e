# What every run shares: hooks, logging, environment, seed.
default_scope = 'mmpointvideo'

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # written aside and renamed; the last two, and the best epoch where a config says save_best
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # BN statistics differ between processes; one set is evaluated and saved
    sync_buffers=dict(type='SyncBuffersHook'),
    # a NaN loss, SIGTERM and a process that hangs: docs/reliability.md
    non_finite_guard=dict(type='NonFiniteGuardHook'),
    termination=dict(type='TerminationHook'),
    rank_monitor=dict(type='RankMonitorHook', timeout=600))

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_processor = dict(type='LogProcessor', window_size=10, by_epoch=True)
log_level = 'INFO'

randomness = dict(seed=0, deterministic=False)
load_from = None
resume = False
