# Table 5, beyond the paper: the whole bank is negative.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(contrast_head=dict(loss=dict(negative_ratio=1.0)))
