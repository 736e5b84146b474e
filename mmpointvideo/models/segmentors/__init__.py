"""4D semantic segmentation over an encoder."""

from .point_video_segmentor import PointVideoSegmentor

__all__ = ['PointVideoSegmentor']
