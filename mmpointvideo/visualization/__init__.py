"""Looking at point cloud videos: pictures, films, pages, point files."""

from .clip import Layer, PointClip, class_layer, clip_from_store
from .colors import categorical_palette
from .export import write_gif, write_mp4, write_png, write_points
from .html import write_html
from .render import draw_frames, draw_sheet
from .visualizer import PointVideoVisualizer, write_clips

__all__ = [
    'Layer',
    'PointClip',
    'PointVideoVisualizer',
    'categorical_palette',
    'class_layer',
    'clip_from_store',
    'draw_frames',
    'draw_sheet',
    'write_clips',
    'write_gif',
    'write_html',
    'write_mp4',
    'write_png',
    'write_points',
]
