# CPU-size pre-training on the built-in actions with our best settings, those of the real motion.
_base_ = [
    '../_base_/models/pointcpsc-best-clips_pstnet-tiny.py',
    '../_base_/datasets/builtin_actions_tiny_pretrain_halves.py',
    '../_base_/schedules/adamw_coslr_40e.py',
    '../default_runtime.py',
]
