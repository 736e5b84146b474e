"""Raw and published videos into frame stores, one function a source."""

from .msr import convert_msr_bin, convert_msr_npz, convert_msr_skeleton
from .ntu import convert_ntu_depth, convert_ntu_npz, convert_ntu_skeleton
from .nvgesture import convert_nvgesture
from .point_folder import convert_point_folder, frame_files, natural_key
from .report import VideoReport, format_summary, print_summary, report_to_json
from .runner import ConversionJob, run_jobs
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
    'format_summary',
    'frame_files',
    'print_summary',
    'make_street',
    'natural_key',
    'report_to_json',
    'run_jobs',
]
