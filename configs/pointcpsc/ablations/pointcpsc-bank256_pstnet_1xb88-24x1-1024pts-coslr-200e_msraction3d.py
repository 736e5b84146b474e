# Table 8, D1: a memory bank of 256.
_base_ = ['../pointcpsc_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d.py']

model = dict(memory_bank=dict(size=256))
