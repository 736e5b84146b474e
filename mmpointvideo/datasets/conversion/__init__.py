"""Raw and published videos into frame stores, one function a source."""

from .msr import convert_msr_bin, convert_msr_npz, convert_msr_skeleton
from .ntu import convert_ntu_depth, convert_ntu_npz, convert_ntu_skeleton
from .nvgesture import convert_nvgesture
from .point_folder import convert_point_folder, frame_files, natural_key
from .report import VideoReport, finish_conversion, format_summary
from .runner import ConversionJob, run_jobs
from .sources import walk_folders
from .streets import make_street
from .synthia import SceneSampling, convert_synthia_npz, convert_synthia_sequence

__all__ = [
    'ConversionJob',
    'SceneSampling',
    'VideoReport',
    'convert_msr_bin',
    'convert_msr_npz',
    'convert_msr_skeleton',
    'convert_ntu_depth',
    'convert_ntu_npz',
    'convert_ntu_skeleton',
    'convert_nvgesture',
    'convert_point_folder',
    'convert_synthia_npz',
    'convert_synthia_sequence',
    'finish_conversion',
    'format_summary',
    'frame_files',
    'make_street',
    'natural_key',
    'run_jobs',
    'walk_folders',
]
