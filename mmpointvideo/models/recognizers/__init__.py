"""Action recognition over an encoder."""

from .point_video_recognizer import PointVideoRecognizer

__all__ = ['PointVideoRecognizer']
