# CPU-size pre-training on the built-in actions, with the paper's losses, temperatures, neighbours,
# prototypes and bank: what the demos of prototypes and neighbours look into.
_base_ = [
    '../_base_/models/pointcpsc_pstnet-tiny.py',
    '../_base_/datasets/builtin_actions_tiny_pretrain.py',
    '../_base_/schedules/adamw_coslr_40e.py',
    '../default_runtime.py',
]
