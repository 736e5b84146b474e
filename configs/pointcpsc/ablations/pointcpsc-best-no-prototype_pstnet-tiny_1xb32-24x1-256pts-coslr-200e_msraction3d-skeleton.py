# The best settings without the contrast of clips by one prototype.
_base_ = ['../pointcpsc-best_pstnet-tiny_1xb32-24x1-256pts-coslr-200e_msraction3d-skeleton.py']

model = dict(cluster_head=None)
