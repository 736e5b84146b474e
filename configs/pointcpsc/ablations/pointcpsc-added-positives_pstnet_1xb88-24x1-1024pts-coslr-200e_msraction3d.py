# Table 6, B2: neighbours count like the positive.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(contrast_head=dict(loss=dict(weighting='add_positives')))
