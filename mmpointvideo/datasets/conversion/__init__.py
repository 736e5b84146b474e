"""Raw and published videos into frame stores, one function a source."""

from .msr import convert_msr_bin, convert_msr_npz, convert_msr_skeleton
from .point_folder import convert_point_folder, natural_key
from .report import VideoReport, format_summary, report_to_json
from .runner import ConversionJob, run_jobs

__all__ = [
    'ConversionJob',
    'VideoReport',
    'convert_msr_bin',
    'convert_msr_npz',
    'convert_msr_skeleton',
    'convert_point_folder',
    'format_summary',
    'natural_key',
    'report_to_json',
    'run_jobs',
]
