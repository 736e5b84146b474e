# CPU-size pre-training on the built-in streets with the paper's losses: both terms of the semantic
# clustering. Every frame of a training street that has three predecessors gives two items, its
# halves.
_base_ = [
    '../_base_/models/pointcpsc_p4transformer-tiny.py',
    '../_base_/datasets/builtin_streets_pretrain.py',
    '../_base_/schedules/adamw_coslr_2e.py',
    '../default_runtime.py',
]

model = dict(contrast_head=dict(neighbor_start_epoch=1))
