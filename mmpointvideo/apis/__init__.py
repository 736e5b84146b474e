"""What programs use: models, features."""

from .features import build_feature_dataloader, extract_features
from .init_model import init_model
from .scenes import SegmentedScene, segment_scenes

__all__ = [
    'SegmentedScene',
    'build_feature_dataloader',
    'extract_features',
    'init_model',
    'segment_scenes',
]
