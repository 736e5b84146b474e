"""Which clips a video has, and which frames a clip has.

One rule serves all data sets. A clip of ``num_frames`` frames at ``frame_interval`` covers
``span = (num_frames - 1) * frame_interval + 1`` frames of the video, so the starts
0, ``clip_stride``, 2 * ``clip_stride``, ... up to ``total_frames - span`` hold a whole clip. A
shorter video has none; it is padded (one clip at 0, the last frame repeated) or dropped.

MSRAction-3D with 24 frames at interval 1 keeps 257 of 270 training and 287 of 297 test videos
(span 24) and has 4,478 training clips; with 16 frames 6,587. NTU RGB+D 60, cross-subject, with
24 frames at interval 2 keeps 16,156 of 16,560 test videos (span 47).
"""

from typing import Literal

import numpy as np

Clips = Literal['all', 'random'] | int
ShortVideos = Literal['pad', 'drop']


def clip_span(num_frames: int, frame_interval: int = 1) -> int:
    """Number of consecutive frames of the video between a clip's first and last frame, both
    included."""
    return (num_frames - 1) * frame_interval + 1


def check_clip_options(
    num_frames: int, frame_interval: int, clip_stride: int, clips: Clips, short_videos: str
) -> None:
    """Check the options that say which clips there are.

    Raises:
        TypeError: If a number is no integer.
        ValueError: If an option is outside its range.
    """
    numbers = dict(num_frames=num_frames, frame_interval=frame_interval, clip_stride=clip_stride)
    if clips not in ('all', 'random'):
        if isinstance(clips, str):
            raise ValueError(f"clips: expected 'all', 'random' or a number, got {clips!r}")
        numbers['clips'] = clips
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f'{name}: expected an integer, got {value!r}')
        if value < 1:
            raise ValueError(f'{name}: expected at least 1, got {value}')
    if short_videos not in ('pad', 'drop'):
        raise ValueError(f"short_videos: expected 'pad' or 'drop', got {short_videos!r}")


def clip_starts(
    total_frames: int,
    num_frames: int,
    frame_interval: int = 1,
    clip_stride: int = 1,
    clips: Literal['all'] | int = 'all',
    short_videos: ShortVideos = 'pad',
) -> np.ndarray:
    """First frames of a video's clips, ascending.

    Args:
        total_frames: Frames of the video.
        num_frames: T, frames of a clip.
        frame_interval: Distance between two frames of a clip.
        clip_stride: Distance between two starts.
        clips: ``'all'``: every start. A number n: n of them, evenly spaced from the first to the
            last (n = 1: the middle one); all of them where there are no more than n.
        short_videos: ``'pad'``: a video shorter than a clip has one clip, at 0. ``'drop'``: it
            has none.

    Returns:
        ``(num_clips,)`` int64.

    Examples:
        >>> clip_starts(30, num_frames=24, clip_stride=2).tolist()
        [0, 2, 4, 6]
        >>> clip_starts(30, num_frames=24, clips=3).tolist()
        [0, 3, 6]
        >>> clip_starts(46, 24, frame_interval=2, short_videos='drop').tolist()
        []
    """
    last = total_frames - clip_span(num_frames, frame_interval)
    if last < 0:
        return np.zeros(int(short_videos == 'pad'), np.int64)
    count = last // clip_stride + 1
    if clips == 'all' or clips >= count:
        which = np.arange(count, dtype=np.int64)
    elif clips == 1:
        which = np.array([(count - 1) // 2], np.int64)
    else:
        which = np.linspace(0, count - 1, clips).round().astype(np.int64)
    return clip_stride * which


def clip_frames(start: int, num_frames: int, frame_interval: int, total_frames: int) -> np.ndarray:
    """Frame numbers of a clip; beyond the end of the video its last frame is repeated.

    Args:
        start: First frame.
        num_frames: T.
        frame_interval: Distance between two frames.
        total_frames: Frames of the video.

    Returns:
        ``(T,)`` int64.

    Raises:
        ValueError: If the clip would begin outside the video.

    Examples:
        >>> clip_frames(2, num_frames=4, frame_interval=2, total_frames=7).tolist()
        [2, 4, 6, 6]
    """
    if not 0 <= start < total_frames:
        raise ValueError(f'start: expected 0..{total_frames - 1}, got {start}')
    frames = start + frame_interval * np.arange(num_frames, dtype=np.int64)
    return np.minimum(frames, total_frames - 1)
