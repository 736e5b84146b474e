# Table 9, E2 on Synthia 4D: 20 prototypes.
_base_ = [
    '../../_base_/models/pointcpsc_p4transformer.py',
    '../../_base_/datasets/synthia4d_pretrain.py',
    '../../_base_/schedules/adamw_coslr_200e.py',
    '../../default_runtime.py',
]

model = dict(cluster_head=dict(num_prototypes=20))
