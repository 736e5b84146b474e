# CPU size of Table 10, F1: local contrastive prediction alone: no neighbours, the whole bank is
# negative, no prototypes.
_base_ = [
    '../../_base_/models/pointcpsc_pstnet-tiny.py',
    '../../_base_/datasets/msr_action3d_skeleton_tiny_pretrain.py',
    '../../_base_/schedules/adamw_coslr_20e.py',
    '../../default_runtime.py',
]

model = dict(
    contrast_head=dict(neighbor_start_epoch=2, loss=dict(negative_ratio=1.0, num_neighbors=0)),
    cluster_head=None)
