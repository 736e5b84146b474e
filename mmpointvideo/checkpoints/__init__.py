"""Reading checkpoints, as data only, and taking over weights from them."""

from .weights import (
    LoadReport,
    compare_weights,
    load_encoder_weights,
    read_state_dict,
    require_all_weights,
)

__all__ = [
    'LoadReport',
    'compare_weights',
    'load_encoder_weights',
    'read_state_dict',
    'require_all_weights',
]
