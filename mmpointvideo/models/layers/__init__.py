"""Building blocks of the encoders."""

from .frame_batch_norm import frame_norm_relu
from .linear import pointwise_linear, set_linear_route, use_linear_route
from .p4d_conv import P4DConv
from .p4d_trans_conv import P4DTransConv
from .pst_conv import PSTConv
from .pst_conv_transpose import PSTConvTranspose

__all__ = [
    'P4DConv',
    'P4DTransConv',
    'PSTConv',
    'PSTConvTranspose',
    'frame_norm_relu',
    'pointwise_linear',
    'set_linear_route',
    'use_linear_route',
]
