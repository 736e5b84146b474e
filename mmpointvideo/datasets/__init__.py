"""From a frame store to a clip: storage, indices, transforms.

The transforms live in :mod:`mmpointvideo.datasets.transforms`; they need mmcv and are imported
when a pipeline is built.
"""

from .base import PointVideoDataset
from .label_fraction import LabelFraction
from .msr_action3d import MSRAction3DDataset
from .ntu_rgbd import NTURGBDDataset
from .nvgesture import NvGestureDataset
from .point_video_folder import PointVideoFolderDataset
from .sample_index import SampleIndex, sample_randomness
from .samplers import DefaultSampler, GroupedSampler
from .segments import split_segments
from .storage import PointVideoStore, PointVideoStoreError, PointVideoWriter
from .synthia4d import Synthia4DDataset

__all__ = [
    'DefaultSampler',
    'GroupedSampler',
    'LabelFraction',
    'MSRAction3DDataset',
    'NTURGBDDataset',
    'NvGestureDataset',
    'PointVideoDataset',
    'PointVideoFolderDataset',
    'PointVideoStore',
    'PointVideoStoreError',
    'PointVideoWriter',
    'SampleIndex',
    'Synthia4DDataset',
    'sample_randomness',
    'split_segments',
]
