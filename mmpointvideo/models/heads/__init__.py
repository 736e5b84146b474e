"""Heads; each owns its loss."""

from .cls_head import ActionClsHead
from .point_contrast_head import PointContrastHead
from .semantic_cluster_head import SemanticClusterHead, update_prototypes

__all__ = ['ActionClsHead', 'PointContrastHead', 'SemanticClusterHead', 'update_prototypes']
