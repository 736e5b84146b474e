"""Readers (and writers, for generated videos) of raw and published file formats."""

from .msr_bin import MSRHeader, iter_msr_frames, read_msr_header, write_msr_bin
from .point_files import POINT_SUFFIXES, PointFrame, has_own_names, read_point_file
from .published_npz import read_published_npz

__all__ = [
    'POINT_SUFFIXES',
    'MSRHeader',
    'PointFrame',
    'has_own_names',
    'iter_msr_frames',
    'read_msr_header',
    'read_point_file',
    'read_published_npz',
    'write_msr_bin',
]
