"""The annotation file: one JSON beside the videos, read by every data set.

``{"metainfo": {"dataset_type", "classes", "task", ...}, "data_list": [{"video_id", "video_path",
"num_frames", "gt_label", ...}, ...]}``, sorted by ``video_id``. Paths are relative to the file's
folder, labels count from 0.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mmpointvideo.utils.atomic import write_json

#: Most frames of a video, ten hours at 30 Hz: a damaged file shall not fill the memory with clips.
MAX_FRAMES = 2**20


def _check_metainfo(metainfo: Any) -> None:
    if not isinstance(metainfo, Mapping):
        raise ValueError(f'metainfo: expected an object, got {type(metainfo).__name__}')
    for key in ('dataset_type', 'task'):
        if not isinstance(metainfo.get(key), str):
            raise ValueError(f'metainfo.{key}: expected a string, got {metainfo.get(key)!r}')
    classes = metainfo.get('classes')
    if not isinstance(classes, Sequence) or isinstance(classes, str):
        raise ValueError(f'metainfo.classes: expected a list of names, got {classes!r}')
    if not all(isinstance(name, str) for name in classes) or len(set(classes)) != len(classes):
        raise ValueError(f'metainfo.classes: expected different names, got {classes!r}')


def _check_video(video: Any, num_classes: int) -> None:
    if not isinstance(video, Mapping):
        raise ValueError(f'expected an object, got {type(video).__name__}')
    for key in ('video_id', 'video_path'):
        if not isinstance(video.get(key), str) or not video[key]:
            raise ValueError(f'{key}: expected a text, got {video.get(key)!r}')
    path = PurePosixPath(video['video_path'])
    if path.is_absolute() or '..' in path.parts or '\\' in video['video_path']:
        raise ValueError(
            f'video_path: expected a path below the annotation file, with slashes, got {path}'
        )
    frames = video.get('num_frames')
    if type(frames) is not int or not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f'num_frames: expected an integer in 1..{MAX_FRAMES}, got {frames!r}')
    label = video.get('gt_label')
    if 'gt_label' in video and (type(label) is not int or not 0 <= label < num_classes):
        raise ValueError(f'gt_label: expected 0..{num_classes - 1}, got {label!r}')


def validate_annotations(data: Any) -> None:
    """Check the content of an annotation file.

    ``gt_label`` may be missing (unlabelled video); everything else of the format is needed.

    Raises:
        ValueError: Naming the first video that is wrong and what was expected.
    """
    if not isinstance(data, Mapping) or not {'metainfo', 'data_list'} <= set(data):
        raise ValueError('expected an object with metainfo and data_list')
    _check_metainfo(data['metainfo'])
    videos = data['data_list']
    if not isinstance(videos, list):
        raise ValueError(f'data_list: expected a list, got {type(videos).__name__}')
    seen: set[str] = set()
    for index, video in enumerate(videos):
        try:
            _check_video(video, len(data['metainfo']['classes']))
            if video['video_id'] in seen:
                raise ValueError('video_id: occurs twice')
        except ValueError as error:
            name = video.get('video_id', '?') if isinstance(video, Mapping) else '?'
            raise ValueError(f'data_list[{index}] ({name}): {error}') from None
        seen.add(video['video_id'])


def read_class_names(path: str | os.PathLike) -> list[str]:
    """Names of a ``classes.txt``, one a line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not UTF-8, or a name occurs twice.
    """
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: expected names in UTF-8: {error}') from None
    names = [line.strip() for line in lines if line.strip()]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f'{path}: expected different names, {twice[:10]} occur more than once')
    return names


def read_annotations(path: str | os.PathLike) -> dict[str, Any]:
    """Read an annotation file, checked, the videos sorted by ``video_id``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON or not of the format.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'{path}: no such annotation file (looked from {Path.cwd()}): convert the data set '
            'first, docs/datasets.md has the commands'
        )
    try:
        data = json.loads(Path(path).read_bytes())
        validate_annotations(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: not a valid annotation file: {error}') from None
    data['data_list'].sort(key=lambda video: video['video_id'])
    return data


def write_annotations(
    path: str | os.PathLike,
    metainfo: Mapping[str, Any],
    data_list: Sequence[Mapping[str, Any]],
) -> None:
    """Write an annotation file atomically, checked, the videos sorted by ``video_id``.

    Raises:
        ValueError: If the content is not of the format; nothing is written then.
    """
    videos = [dict(video) for video in data_list]
    data = dict(metainfo=dict(metainfo), data_list=videos)
    validate_annotations(data)
    videos.sort(key=lambda video: video['video_id'])
    write_json(path, data)


def missing_videos(annotations: Mapping[str, Any], data_root: str | os.PathLike) -> list[str]:
    """Paths of the videos in the list that are not below ``data_root``."""
    root = Path(data_root)
    paths = [video['video_path'] for video in annotations['data_list']]
    return [path for path in paths if not (root / path).is_file()]
