"""The index of clips: what every data set of point cloud videos shares."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.logging import print_log

from mmpointvideo.registry import DATASETS

from .annotations import read_annotations
from .clips import Clips, ShortVideos, check_clip_options, clip_span, clip_starts
from .sample_index import sample_randomness

_CLIP_DTYPE = np.dtype(
    [('video', '<i4'), ('start', '<i4'), ('clip_index', '<i4'), ('num_clips', '<i4')]
)


@DATASETS.register_module()
class PointVideoDataset(BaseDataset):
    """Clips of the videos of an annotation file, sorted by video and start.

    An item, before the pipeline, is a dictionary with

    * ``video_path``, ``video_id``, ``total_frames``, ``gt_label`` (absent where the video has
      none);
    * ``video_index``: position of the video in the sorted annotation file, so the same in every
      split;
    * ``clip_start`` (None with ``clips='random'``), ``clip_index`` and ``num_clips`` of its video;
    * ``num_frames``, ``frame_interval``, ``clip_stride``, ``test_mode``, ``sample_idx``.

    Videos are kept serialised and clips as one table of integers, so millions of clips cost
    little memory in every worker. Which clips there are is told in
    :mod:`mmpointvideo.datasets.clips`.

    Args:
        ann_file: Annotation file; below ``data_root`` unless absolute. The paths of the videos
            are relative to its folder.
        data_root: Folder of the data set.
        num_frames: T, frames of a clip.
        frame_interval: Distance between two frames of a clip.
        clip_stride: Distance between two clip starts.
        clips: ``'all'``: every start is an item; ``'random'``: one item a video, ``SampleFrames``
            draws the start; a number n: n evenly spaced starts a video.
        short_videos: Videos shorter than a clip: ``'pad'`` repeats the last frame and counts
            them, ``'drop'`` leaves them out, as most published code does silently.
        split: Which videos, by the annotations' field ``split``; None takes all of them.
        pipeline: Transforms, as configs or objects.
        test_mode: All random draws are seeded by video and clip start.
        max_videos: Use no more videos than this, evenly spaced over the sorted list.
        check_files: Check when initialising that every video's file is there.
        metainfo: Overrides what the annotation file says, e.g. ``classes``.
        serialize_data: Keep the videos serialised.
        lazy_init: Read the annotation file later.
        max_refetch: How often another item is tried in training when a transform returns None.

    Raises:
        TypeError, ValueError: If an option is wrong, the annotation file invalid, or no video is
            left.
        FileNotFoundError: If the annotation file, or a video that it names, is not there.
    """

    METAINFO: dict = dict()
    _fully_initialized: bool = False

    def __init__(
        self,
        ann_file: str,
        num_frames: int,
        data_root: str = '',
        frame_interval: int = 1,
        clip_stride: int = 1,
        clips: Clips = 'all',
        short_videos: ShortVideos = 'pad',
        split: str | None = None,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        max_videos: int | None = None,
        check_files: bool = True,
        metainfo: Mapping | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        check_clip_options(num_frames, frame_interval, clip_stride, clips, short_videos)
        if max_videos is not None and max_videos < 1:
            raise ValueError(f'max_videos: expected at least 1 or None, got {max_videos}')
        self.num_frames = num_frames
        self.frame_interval = frame_interval
        self.clip_stride = clip_stride
        self.clips = clips
        self.short_videos = short_videos
        self.split = split
        self.max_videos = max_videos
        self.check_files = check_files
        self._clip_table = np.zeros(0, _CLIP_DTYPE)
        super().__init__(
            ann_file=str(ann_file),
            metainfo=metainfo,
            data_root=str(data_root),
            data_prefix=dict(),
            serialize_data=serialize_data,
            pipeline=_build_transforms(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    def full_init(self) -> None:
        """Read the annotation file and make the table of clips."""
        if self._fully_initialized:
            return
        self.data_list = self.load_data_list()
        self._clip_table = self._make_clip_table()
        if self.serialize_data:
            self.data_bytes, self.data_address = self._serialize_data()
        self._fully_initialized = True

    def load_data_list(self) -> list[dict]:
        """The split's videos, sorted by ``video_id``, ``video_path`` complete."""
        path = Path(self.ann_file)
        annotations = self.read_annotations(path)
        for key, value in annotations['metainfo'].items():
            self._metainfo.setdefault(key, value)
        videos = annotations['data_list']
        for index, video in enumerate(videos):
            video['video_index'] = index
            video['video_path'] = str(path.parent / video['video_path'])
        selected = self.select_videos(videos)
        span = clip_span(self.num_frames, self.frame_interval)
        whole = [video for video in selected if video['num_frames'] >= span]
        if len(whole) < len(selected):
            done = 'left out' if self.short_videos == 'drop' else 'padded with their last frame'
            print_log(
                f'{path.name}, split {self.split!r}: {len(selected) - len(whole)} of '
                f'{len(selected)} videos are shorter than a clip ({span} frames) and are {done}',
                logger='current',
            )
        if self.short_videos == 'drop':
            selected = whole
        if not selected:
            raise ValueError(
                f'{path}: no video left of {len(videos)} with split={self.split!r}, '
                f'short_videos={self.short_videos!r} and clips of {span} frames'
            )
        if self.max_videos is not None and len(selected) > self.max_videos:
            keep = np.linspace(0, len(selected) - 1, self.max_videos).round().astype(int)
            selected = [selected[i] for i in keep]
        if self.check_files:
            self._check_files(selected)
        return selected

    def read_annotations(self, path: Path) -> dict[str, Any]:
        """Content of the annotation file; subclasses may read lists of another form.

        Args:
            path: The file.
        """
        return read_annotations(path)

    def select_videos(self, videos: list[dict]) -> list[dict]:
        """The videos of the split; subclasses may have another rule.

        Args:
            videos: All videos of the annotation file.

        Raises:
            ValueError: If no video is in the split.
        """
        if self.split is None:
            return videos
        selected = [video for video in videos if video.get('split') == self.split]
        if not selected:
            found = sorted({str(video['split']) for video in videos if 'split' in video})
            wanted = f'one of {found}' if found else 'None, as no video says its split'
            raise ValueError(f'{self.ann_file}: split: expected {wanted}, got {self.split!r}')
        return selected

    def _check_files(self, videos: list[dict]) -> None:
        missing = [video for video in videos if not Path(video['video_path']).is_file()]
        if missing:
            first = missing[0]
            raise FileNotFoundError(
                f'{self.ann_file} names {len(missing)} video file(s) that are not there; the '
                f'first is video {first["video_id"]}: {first["video_path"]}. Convert the data '
                'set again or check it with tools/misc/verify_dataset.py'
            )

    def _make_clip_table(self) -> np.ndarray:
        """One row per clip: position of the video in ``data_list``, start, index, number."""
        parts = []
        for position, video in enumerate(self.data_list):
            if self.clips == 'random':
                starts = np.array([-1])
            else:
                starts = clip_starts(
                    video['num_frames'],
                    self.num_frames,
                    self.frame_interval,
                    self.clip_stride,
                    self.clips,
                    self.short_videos,
                )
            part = np.empty(len(starts), _CLIP_DTYPE)
            part['video'], part['start'] = position, starts
            part['clip_index'], part['num_clips'] = np.arange(len(starts)), len(starts)
            parts.append(part)
        return np.concatenate(parts)

    @force_full_init
    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clip_table)

    @property
    def num_videos(self) -> int:
        """Number of videos that have at least one clip in the data set."""
        return len(np.unique(self._initialized_table()['video']))

    @property
    def clip_videos(self) -> np.ndarray:
        """Of every clip, the position of its video (see :meth:`get_video_info`)."""
        return self._initialized_table()['video'].copy()

    def __getitem__(self, idx: int) -> Any:
        """A clip through the pipeline.

        Args:
            idx: Number of the clip. One from the toolbox's samplers (``SampleIndex``) brings the
                seed of all random numbers of the pipeline.
        """
        with sample_randomness(idx):
            return super().__getitem__(idx)

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """The item as the pipeline gets it (see the class).

        Args:
            idx: Number of the clip; negative ones count from the end.
        """
        if not -len(self._clip_table) <= idx < len(self._clip_table):
            raise IndexError(f'clip {idx} of a data set of {len(self._clip_table)} clips')
        idx = int(idx) % len(self._clip_table)
        clip = self._clip_table[idx]
        video = super().get_data_info(int(clip['video']))
        start = int(clip['start'])
        item = dict(
            video_path=video['video_path'],
            video_id=video['video_id'],
            video_index=video['video_index'],
            clip_start=None if start < 0 else start,
            clip_index=int(clip['clip_index']),
            num_clips=int(clip['num_clips']),
            num_frames=self.num_frames,
            frame_interval=self.frame_interval,
            clip_stride=self.clip_stride,
            total_frames=video['num_frames'],
            sample_idx=idx,
            test_mode=self.test_mode,
        )
        if 'gt_label' in video:
            item['gt_label'] = video['gt_label']
        return item

    @force_full_init
    def get_video_info(self, position: int) -> dict[str, Any]:
        """A video's annotation, all fields.

        Args:
            position: Which of the data set's videos.
        """
        return super().get_data_info(position)

    def get_clip_field(self, field: str) -> list[Any]:
        """Of every clip, a field of its video's annotation.

        Args:
            field: Name of the field, such as ``'subject'`` or ``'camera'``.

        Returns:
            As many values as there are clips.

        Raises:
            ValueError: If a video lacks the field.
        """
        videos = self.clip_videos.tolist()
        values = {}
        for video in dict.fromkeys(videos):
            info = self.get_video_info(video)
            if field not in info:
                raise ValueError(
                    f'expected a field {field!r} in every video of {self.ann_file}, but '
                    f'{info["video_id"]} has {sorted(info)}'
                )
            values[video] = info[field]
        return [values[video] for video in videos]

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """The clip's class, for samplers and wrappers that balance classes."""
        item = self.get_data_info(idx)
        if 'gt_label' not in item:
            raise ValueError(f'video {item["video_id"]} has no gt_label')
        return [item['gt_label']]

    def get_subset(self, indices: Sequence[int] | int) -> 'PointVideoDataset':
        """A data set of some of the clips; this one stays as it is.

        Args:
            indices: Numbers of clips, or n: the first n (or, negative, the last n).
        """
        subset = copy.copy(self)
        subset.get_subset_(indices)
        return subset

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep some of the clips; arguments as of :meth:`get_subset`."""
        table = self._initialized_table()
        if isinstance(indices, int):
            self._clip_table = table[:indices] if indices >= 0 else table[indices:]
        else:
            self._clip_table = table[np.asarray(indices, np.int64)]

    @force_full_init
    def _initialized_table(self) -> np.ndarray:
        return self._clip_table


def _build_transforms(pipeline: Sequence[dict | Callable]) -> list[Callable]:
    if not pipeline:
        return []
    # imported here: the transforms need mmcv, an index of clips does not
    from .transforms.base import build_transforms

    return build_transforms(pipeline)
