"""Building blocks of the encoders."""

from .frame_batch_norm import frame_norm_relu
from .linear import pointwise_linear, set_linear_route, use_linear_route
from .pst_conv import PSTConv

__all__ = [
    'PSTConv',
    'frame_norm_relu',
    'pointwise_linear',
    'set_linear_route',
    'use_linear_route',
]
