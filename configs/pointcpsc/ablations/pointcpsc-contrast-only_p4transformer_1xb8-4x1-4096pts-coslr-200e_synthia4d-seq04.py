# Table 10, F1 on Synthia 4D: local contrastive prediction alone: no neighbours, the whole bank
# is negative, no prototypes.
_base_ = [
    '../../_base_/models/pointcpsc_p4transformer.py',
    '../../_base_/datasets/synthia4d_pretrain.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

model = dict(contrast_head=dict(loss=dict(negative_ratio=1.0, num_neighbors=0)), cluster_head=None)
