"""Videos in whatever form people have them, behind one way of reading frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmpointvideo.datasets.conversion import frame_files
from mmpointvideo.datasets.formats import (
    POINT_SUFFIXES,
    iter_msr_frames,
    read_msr_header,
    read_point_file,
)
from mmpointvideo.datasets.storage import SUFFIX, FrameBatch, PointVideoStore
from mmpointvideo.simulation.camera import DepthCamera

KINDS = (
    f'a frame store ({SUFFIX}), a folder of {", ".join(POINT_SUFFIXES)} files, a raw MSR depth '
    'video (.bin), an array (T, N, 3 + C), or a list of arrays (n, 3 + C)'
)


class Video:
    """Frames of points, in the unit of the data set that a model was trained on.

    Args:
        frames: Per frame ``(n, 3 + C)``; the further columns are features.
        channels: Features by name, per frame ``(n,)`` or ``(n, columns)``.
        name: For messages and results.
        draw_key: What the draws of its points depend on beside the clip: of a file its
            :func:`video_name`, as in a data set; of arrays nothing, so that the same points get
            the same answer.

    Attributes:
        centers: ``(T, 3)``, where the sensor was, for scenes; None where unknown.

    Raises:
        ValueError: If there are no points, an array is of another shape, or a value is not
            finite.
    """

    def __init__(
        self,
        frames: Sequence[np.ndarray],
        channels: dict[str, list[np.ndarray]] | None = None,
        name: str = 'video',
        draw_key: str = '',
    ) -> None:
        self.name = name
        self.draw_key = draw_key
        self.centers: np.ndarray | None = None
        self._frames = [np.asarray(frame, np.float32) for frame in frames]
        self._channels = channels or {}
        for t, frame in enumerate(self._frames):
            if frame.ndim != 2 or frame.shape[1] < 3:
                raise ValueError(f'{name}: expected (n, 3 + C) in frame {t}, got {frame.shape}')
            if not np.isfinite(frame).all():
                raise ValueError(f'{name}: NaN or infinite values in frame {t}')
        if not sum(map(len, self._frames)):
            raise ValueError(f'{name}: the video is empty: no points in {len(self._frames)} frames')

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self._frames)

    def read(self, frame_inds: Sequence[int] | np.ndarray, channels: Sequence[str]) -> FrameBatch:
        """Read frames as a frame store does.

        Columns beyond x, y, z serve as the wanted channels in order, ``rgb`` as three of them.

        Raises:
            ValueError: If a wanted channel is not there.
        """
        inds = [int(i) for i in frame_inds]
        frames = [self._frames[i] for i in inds]
        values = {name: [self._channel(name, i, channels) for i in inds] for name in channels}
        counts = [len(frame) for frame in frames]
        return FrameBatch(
            np.concatenate([frame[:, :3] for frame in frames]),
            {name: np.concatenate(parts) for name, parts in values.items()},
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    def _channel(self, name: str, frame: int, wanted: Sequence[str]) -> np.ndarray:
        if name in self._channels:
            return self._channels[name][frame]
        start = 3
        for other in wanted:
            width = 3 if other == 'rgb' else 1
            if other == name and start + width <= self._frames[frame].shape[1]:
                columns = self._frames[frame][:, start : start + width]
                return columns if width > 1 else columns[:, 0]
            start += width
        raise ValueError(
            f'{self.name}: the model needs the channel {name!r} of every point, the video has '
            f'{sorted(self._channels) or f"{self._frames[frame].shape[1]} columns"}'
        )


class StoredVideo(Video):
    """A frame store; frames are read when they are needed."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.store = PointVideoStore(path)
        self.name = self.draw_key = video_name(path)
        if not int(self.store.num_points.sum()):
            raise ValueError(f'{path}: the video is empty: no points in any frame')
        centers = self.store.meta.get('centers')
        self.centers = None if centers is None else np.asarray(centers, np.float64)

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return self.store.num_frames

    def read(self, frame_inds: Sequence[int] | np.ndarray, channels: Sequence[str]) -> FrameBatch:
        """Read frames; see :class:`Video`."""
        return self.store.read(frame_inds, channels)


def video_name(path: str | os.PathLike) -> str:
    """The name that a data set gives to a video of this path: what ``video_id`` is there.

    The path below a folder ``videos``, else the last part; without a store's suffix. A raw depth
    video ``aAA_sSS_eEE_sdepth.bin``, in letters of any case, is ``aAA_sSS_eEE``.

    Examples:
        >>> video_name('data/mine/videos/s1/jump.pvs'), video_name('raw/a01_s01_e01_sdepth.bin')
        ('s1/jump', 'a01_s01_e01')
    """
    place = Path(os.path.abspath(path))
    parts = place.parts[:-1]
    below = parts[len(parts) - parts[::-1].index('videos') :] if 'videos' in parts else ()
    name = place.name
    if not place.is_dir() and place.suffix.lower() in (SUFFIX, '.bin'):
        name = place.stem
        if place.suffix.lower() == '.bin' and name.lower().endswith('_sdepth'):
            name = name.lower().removesuffix('_sdepth')
    return '/'.join([*below, name])


def open_video(video: Any, name: str | None = None, columns: Sequence[str] | None = None) -> Video:
    """Open a video of any supported form.

    Args:
        video: A path, an array or tensor ``(T, N, 3 + C)``, a list of arrays ``(n, 3 + C)``, or
            a :class:`Video`.
        name: For messages and results; of a path by default its :func:`video_name`.
        columns: Names of the columns of ``.npy`` and KITTI's ``.bin`` files in a folder.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        TypeError: If it is nothing of the kind.
        ValueError: If it is of the wrong kind, damaged or empty.
    """
    if isinstance(video, Video):
        return video
    if isinstance(video, str | os.PathLike):
        return _open_path(Path(video), name, columns)
    if hasattr(video, 'detach'):
        video = video.detach().cpu().numpy()
    if isinstance(video, np.ndarray):
        if video.ndim != 3:
            raise ValueError(f'a video as an array: expected (T, N, 3 + C), got {video.shape}')
        return Video(list(video), name=name or 'video')
    if isinstance(video, Sequence) and video:
        frames = [f.detach().cpu().numpy() if hasattr(f, 'detach') else f for f in video]
        if all(isinstance(frame, np.ndarray) for frame in frames):
            return Video(frames, name=name or 'video')
    raise TypeError(f'expected {KINDS}; got {type(video).__name__}')


def _open_path(path: Path, name: str | None, columns: Sequence[str] | None) -> Video:
    if path.is_dir():
        return _open_folder(path, name, columns)
    if not path.exists():
        raise FileNotFoundError(f'no video {path}: expected {KINDS}')
    suffix = path.suffix.lower()
    if suffix == SUFFIX:
        return StoredVideo(path)
    if suffix == '.bin':
        header = read_msr_header(path)
        camera = DepthCamera(header.width, header.height)
        frames = [camera.depth_to_points(image) for image in iter_msr_frames(path)]
        key = video_name(path)
        return Video(frames, name=name or key, draw_key=key)
    raise ValueError(f'{path}: a file ending in {suffix!r} is no video: expected {KINDS}')


def _open_folder(path: Path, name: str | None, columns: Sequence[str] | None) -> Video:
    """A file a frame, in natural order of their names."""
    read = [read_point_file(file, columns) for file in frame_files(path)]
    shared = set.intersection(*(set(frame.channels) for frame in read))
    channels = {key: [frame.channels[key] for frame in read] for key in sorted(shared)}
    key = video_name(path)
    return Video([frame.xyz for frame in read], channels, name or key, draw_key=key)
