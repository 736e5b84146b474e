"""NvGesture videos into frame stores."""

import os

import numpy as np

from mmpointvideo.datasets.formats.nvgesture import read_avi_frames, segment_hand
from mmpointvideo.datasets.storage import PointVideoWriter

from .report import VideoReport
from .runner import describe_store, existing_report, note_empty_frames, source_mark


def convert_nvgesture(
    avi_path: str | os.PathLike,
    store_path: str | os.PathLike,
    start: int,
    stop: int,
    num_frames: int = 32,
    foreground: str = 'bright',
    overwrite: bool = False,
) -> VideoReport:
    """Convert a gesture: evenly spaced frames, segmented, as points (u, v, d) of int16.

    Args:
        avi_path: The 8-bit depth video.
        store_path: Where the store shall be.
        start: First frame of the gesture.
        stop: Frame after its last one. A video that ends earlier repeats its last frame, which
            its report says.
        num_frames: So many frames are kept.
        foreground: Which side of the threshold, see
            :func:`~mmpointvideo.datasets.formats.nvgesture.segment_hand`.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded or no frame has any point.
        ImportError: If OpenCV is missing.
    """
    options = dict(frames=[start, stop, num_frames], foreground=foreground)
    conversion = dict(source='nvgesture', **options, **source_mark(avi_path))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    frames = np.linspace(start, stop - 1, num_frames).round().astype(int)
    images = read_avi_frames(avi_path, frames.tolist())
    missing = num_frames - len(images)
    counts: list[int] = []
    repairs: list[str] = []
    if missing:
        repairs.append(
            f'the file ends after frame {frames[len(images) - 1]}: {missing} of {num_frames} '
            'frames repeat the last one'
        )
    with PointVideoWriter(
        store_path, 'points', xyz_dtype='int16', unit='pixel', meta=dict(conversion=conversion)
    ) as writer:
        for image in images + images[-1:] * missing:
            v, u = np.nonzero(segment_hand(image, foreground))
            writer.append_points(np.stack([u, v, image[v, u].astype(np.int64)], axis=1))
            counts.append(len(u))
        note_empty_frames(counts, repairs)
        writer.update_meta(repairs=repairs)
    return describe_store(store_path, 'converted')
