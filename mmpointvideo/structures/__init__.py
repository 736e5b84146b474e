"""Typed containers for annotations and predictions."""

from .point_video_data_sample import PointVideoDataSample

__all__ = ['PointVideoDataSample']
