"""From an index entry to a packed clip."""

from .base import PointVideoTransform
from .formatting import PackPointVideoInputs, SplitSegments
from .loading import LoadPointVideoFrames
from .sampling import SampleFrames, SamplePoints
from .spatial import RandomFlip, RandomJitter, RandomRotate, RandomScale, ScaleCoordinates

__all__ = [
    'LoadPointVideoFrames',
    'PackPointVideoInputs',
    'PointVideoTransform',
    'RandomFlip',
    'RandomJitter',
    'RandomRotate',
    'RandomScale',
    'SampleFrames',
    'SamplePoints',
    'ScaleCoordinates',
    'SplitSegments',
]
