# Table 8, D2: a memory bank of 512.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(memory_bank=dict(size=512))
