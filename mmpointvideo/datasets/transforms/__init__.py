"""From an index entry to a packed clip."""

from .base import PointVideoTransform
from .formatting import PackPointVideoInputs, SplitSegments
from .loading import LoadPointVideoFrames
from .sampling import SampleFrames, SamplePoints
from .scene import (
    CenterScene,
    CropHalfScene,
    MapPointLabels,
    PackSceneInputs,
    RandomColor,
    ScaleFeatures,
)
from .segments import ForEachSegment
from .spatial import (
    NormalizeClip,
    RandomFlip,
    RandomJitter,
    RandomRotate,
    RandomScale,
    ScaleCoordinates,
)

__all__ = [
    'CenterScene',
    'CropHalfScene',
    'ForEachSegment',
    'LoadPointVideoFrames',
    'MapPointLabels',
    'NormalizeClip',
    'PackPointVideoInputs',
    'PackSceneInputs',
    'PointVideoTransform',
    'RandomColor',
    'RandomFlip',
    'RandomJitter',
    'RandomRotate',
    'RandomScale',
    'SampleFrames',
    'SamplePoints',
    'ScaleCoordinates',
    'ScaleFeatures',
    'SplitSegments',
]
