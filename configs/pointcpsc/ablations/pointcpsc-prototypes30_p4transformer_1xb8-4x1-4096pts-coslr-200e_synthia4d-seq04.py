# Table 9, E3 on Synthia 4D: 30 prototypes.
_base_ = [
    '../../_base_/models/pointcpsc_p4transformer.py',
    '../../_base_/datasets/synthia4d_pretrain.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

model = dict(cluster_head=dict(num_prototypes=30))
