# Table 1, linear probing at 8 frames: the encoder is frozen, the head is one linear layer.
_base_ = ['./pstnet_pointcpsc-msr-pre_1xb16-8x1-2048pts-ft-35e_msraction3d.py']

model = dict(frozen_encoder=True, head=dict(hidden_channels=None))
