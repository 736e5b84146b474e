# Table 5, A4: the 90 % least similar entries of the bank are negatives.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(contrast_head=dict(loss=dict(negative_ratio=0.9)))
