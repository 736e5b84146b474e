# Table 7, C4: 10 positive neighbours.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(contrast_head=dict(loss=dict(num_neighbors=10)))
