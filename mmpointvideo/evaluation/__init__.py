"""Metrics."""

from .knn import knn_classify, knn_video_accuracy
from .video_accuracy import VideoAccuracy

__all__ = ['VideoAccuracy', 'knn_classify', 'knn_video_accuracy']
