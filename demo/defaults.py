"""What the demos share: the built-in data as the default input."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import MMLogger

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.engine.options import device_name, output_file
from mmpointvideo.visualization.visualizer import SUFFIXES

ACTIONS = Path('data/builtin_actions')
PRETRAIN = 'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_builtin-actions'
PROBE = 'pstnet-tiny_pointcpsc-best-builtin-pre_1xb16-24x1-256pts-linear-20e_builtin-actions'
TRAIN_SUBJECTS = range(1, 6)


def make_parser(doc: str | None, config: str) -> argparse.ArgumentParser:
    """A parser with what every demo takes."""
    MMLogger.get_instance('demo', log_level='WARNING')
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='checkpoint of the model')
    parser.add_argument('--config', default=config, help=f'name or path (default {config})')
    parser.add_argument('--device', type=device_name, help='by default the first GPU, or the CPU')
    return parser


def add_out(parser: argparse.ArgumentParser, name: str, suffixes: Sequence[str] = SUFFIXES) -> None:
    """The option that says what is written.

    Args:
        parser: The demo's.
        name: Of the default file, in ``work_dirs/demo``.
        suffixes: What the file's name may end in.
    """

    def picture(text: str) -> Path:
        if Path(text).suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(f'expected a name in {suffixes}, got {text!r}')
        return Path(output_file(text))

    parser.add_argument(
        '--out', type=picture, default=Path('work_dirs/demo', name), help='file to write'
    )


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """The option that says where the videos are."""
    parser.add_argument(
        '--data-root', type=Path, default=ACTIONS, help=f'data set (default {ACTIONS})'
    )


def read_videos(data_root: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What an annotation file says about the data set and its videos, paths complete.

    Raises:
        FileNotFoundError: If the data set is not there.
        ValueError: If it has no videos.
    """
    path = data_root / 'annotations.json'
    if not path.is_file():
        raise FileNotFoundError(
            f'no data set in {data_root}: make the built-in one with\n'
            '  python tools/dataset_converters/make_builtin_actions.py --convert\n'
            'or name another with --data-root'
        )
    annotations = read_annotations(path)
    videos = annotations['data_list']
    if not videos:
        raise ValueError(f'{path}: expected at least one video, got none')
    for index, video in enumerate(videos):
        video['video_path'] = str(data_root / video['video_path'])
        video['video_index'] = index
    return annotations['metainfo'], videos


def pick_videos(videos: list[dict[str, Any]], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Some videos of subjects that no training saw: of different actions first, then more of them.

    Args:
        videos: From :func:`read_videos`.
        count: How many; fewer where there are fewer.
        seed: Of the draw.
    """
    unseen = [v for v in videos if v.get('subject') not in TRAIN_SUBJECTS] or videos
    by_action: dict[Any, list[dict[str, Any]]] = {}
    for index in np.random.default_rng(seed).permutation(len(unseen)).tolist():
        by_action.setdefault(unseen[index].get('gt_label'), []).append(unseen[index])
    rounds = zip_longest(*by_action.values())
    return [video for some in rounds for video in some if video is not None][:count]


def describe(video: dict[str, Any], meta: dict[str, Any]) -> str:
    """A video's name and action."""
    label = video.get('gt_label')
    return video['video_id'] if label is None else f'{video["video_id"]}: {meta["classes"][label]}'


def spread_frames(total: int, count: int) -> list[int]:
    """Evenly spaced frames."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist()
