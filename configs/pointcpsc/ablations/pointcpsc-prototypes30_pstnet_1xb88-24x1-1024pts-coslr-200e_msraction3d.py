# Table 9, E3: 30 prototypes.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(cluster_head=dict(num_prototypes=30))
