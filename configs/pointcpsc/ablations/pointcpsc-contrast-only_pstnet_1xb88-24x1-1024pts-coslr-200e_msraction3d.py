# Table 10, F1: local contrastive prediction alone: no neighbours, the whole bank is
# negative, no prototypes.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(contrast_head=dict(loss=dict(negative_ratio=1.0, num_neighbors=0)), cluster_head=None)
