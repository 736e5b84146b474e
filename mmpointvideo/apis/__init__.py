"""What programs use: models, features."""

from .features import build_feature_dataloader, extract_features
from .init_model import init_model
from .scenes import (
    SegmentedScene,
    build_scene_dataset,
    score_scenes,
    segment_scene,
    segment_scenes,
)

__all__ = [
    'SegmentedScene',
    'build_feature_dataloader',
    'build_scene_dataset',
    'extract_features',
    'init_model',
    'score_scenes',
    'segment_scene',
    'segment_scenes',
]
