"""Metrics."""

from .knn import knn_classify, knn_video_accuracy
from .leave_one_out import leave_one_group_out
from .seg_iou import SegIoU
from .video_accuracy import VideoAccuracy

__all__ = [
    'SegIoU',
    'VideoAccuracy',
    'knn_classify',
    'knn_video_accuracy',
    'leave_one_group_out',
]
