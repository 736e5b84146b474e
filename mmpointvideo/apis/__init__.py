"""What programs use: models, features, predictions."""

from .features import (
    build_feature_dataloader,
    check_labels,
    extract_features,
    init_feature_model,
)
from .inference import class_names, inference_recognizer, inference_segmentor
from .inferencer import PointVideoInferencer
from .init_model import init_model, init_recognizer
from .model_list import find_config, list_models
from .scenes import (
    SegmentedScene,
    build_scene_dataset,
    find_scenes,
    score_scenes,
    segment_scene,
    segment_scenes,
)
from .superpoints import (
    Superpoints,
    encode_superpoints,
    init_pretraining,
    merge_prototypes,
    point_prototypes,
    prototype_shares,
    spread_to_points,
)
from .videos import Video, open_video

__all__ = [
    'PointVideoInferencer',
    'SegmentedScene',
    'Superpoints',
    'Video',
    'build_feature_dataloader',
    'build_scene_dataset',
    'check_labels',
    'class_names',
    'encode_superpoints',
    'extract_features',
    'find_config',
    'find_scenes',
    'inference_recognizer',
    'inference_segmentor',
    'init_feature_model',
    'init_model',
    'init_pretraining',
    'init_recognizer',
    'list_models',
    'merge_prototypes',
    'open_video',
    'point_prototypes',
    'prototype_shares',
    'score_scenes',
    'segment_scene',
    'segment_scenes',
    'spread_to_points',
]
