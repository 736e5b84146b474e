"""Metrics."""

from .knn import knn_classify, knn_video_accuracy
from .seg_iou import SegIoU
from .video_accuracy import VideoAccuracy

__all__ = ['SegIoU', 'VideoAccuracy', 'knn_classify', 'knn_video_accuracy']
