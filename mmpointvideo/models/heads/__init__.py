"""Heads; each owns its loss."""

from .clip_contrast_head import ClipContrastHead
from .cls_head import ActionClsHead
from .point_contrast_head import PointContrastHead
from .seg_head import PointSegHead
from .semantic_cluster_head import SemanticClusterHead, update_prototypes
from .transformer_cls_head import TransformerClsHead

__all__ = [
    'ActionClsHead',
    'ClipContrastHead',
    'PointContrastHead',
    'PointSegHead',
    'SemanticClusterHead',
    'TransformerClsHead',
    'update_prototypes',
]
