"""Point operators and their backends."""

from .aggregation import aggregate_displaced
from .dispatch import available_backends, get_backend, set_backend, use_backend
from .grouping import gather_points, group_points, three_interpolate
from .neighbors import ball_query, three_nn
from .sampling import furthest_point_sample
from .tube_rows import TubeRows, tube_rows

__all__ = [
    'TubeRows',
    'aggregate_displaced',
    'available_backends',
    'ball_query',
    'furthest_point_sample',
    'gather_points',
    'get_backend',
    'group_points',
    'set_backend',
    'three_interpolate',
    'three_nn',
    'tube_rows',
    'use_backend',
]
