# CPU-size pre-training on the built-in streets with the settings that worked best for us (chosen on
# training streets, docs/results.md): the other superpoints of the batch are the negatives, no
# neighbours, no bank, softer temperatures of 0.1; both terms of the semantic clustering.
_base_ = [
    '../_base_/models/pointcpsc_p4transformer-tiny.py',
    '../_base_/datasets/builtin_streets_pretrain.py',
    '../_base_/schedules/adamw_coslr_2e.py',
    '../default_runtime.py',
]

model = dict(
    contrast_head=dict(
        loss=dict(temperature=0.1, num_neighbors=0, in_batch_negatives=True),
        neighbor_start_epoch=0),
    cluster_head=dict(prototype_loss=dict(temperature=0.1)),
    memory_bank=None)

custom_hooks = []
