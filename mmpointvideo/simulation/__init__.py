"""Skeletons or scenes in, sensor data out."""

from .actions import ACTION_CLASSES, generate_action
from .bodies import MSR_BODY, NTU_BODY, PART_NAMES, BodyModel
from .camera import MSR_CAMERA, NTU_CAMERA, DepthCamera
from .ntu_skeletons import load_ntu_skeleton
from .sensor import SensorNoise, render_depth, simulate_depth_video
from .skeletons import (
    SkeletonRejectedError,
    SkeletonReport,
    load_msr_skeleton,
    read_msr_skeleton,
    repair_skeleton,
)
from .streets import OmniCamera, StreetSimulator
from .subjects import Subject, sample_subject

__all__ = [
    'ACTION_CLASSES',
    'MSR_BODY',
    'MSR_CAMERA',
    'NTU_BODY',
    'NTU_CAMERA',
    'PART_NAMES',
    'BodyModel',
    'DepthCamera',
    'OmniCamera',
    'SensorNoise',
    'SkeletonRejectedError',
    'SkeletonReport',
    'StreetSimulator',
    'Subject',
    'generate_action',
    'load_msr_skeleton',
    'load_ntu_skeleton',
    'read_msr_skeleton',
    'render_depth',
    'repair_skeleton',
    'sample_subject',
    'simulate_depth_video',
]
