"""People's own point cloud videos."""

from mmpointvideo.registry import DATASETS

from .base import PointVideoDataset


@DATASETS.register_module()
class PointVideoFolderDataset(PointVideoDataset):
    """Videos converted by ``tools/dataset_converters/point_folders.py``.

    The annotations' field ``split`` says where a video belongs, so ``split`` may be any name
    that occurs in them; None takes all videos. Arguments as of :class:`PointVideoDataset`.
    """

    METAINFO: dict = dict(dataset_type='PointVideoFolderDataset')
