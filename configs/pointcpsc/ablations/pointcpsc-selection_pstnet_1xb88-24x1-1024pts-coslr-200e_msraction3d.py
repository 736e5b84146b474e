# Table 10, F2: local contrastive prediction with sample selection, no prototypes.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(cluster_head=None)
