"""Write pictures of a data set's clips as the network sees them.

    python tools/visualization/browse_dataset.py CONFIG --phase train --num 8

A row is a clip, a column a frame of it; colour is depth, height, or a label of the points
(``--color part``, ``--color label``). Look at them before training: orientation, scale, holes,
labels. ``--format html`` writes pages to turn the clips with the mouse.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, init_default_scope
from mmengine.utils import track_iter_progress

from mmpointvideo.datasets.label_fraction import LabelFraction
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.synthia4d import Synthia4DDataset
from mmpointvideo.datasets.transforms import (
    LoadPointVideoFrames,
    PackPointVideoInputs,
    SampleFrames,
    SplitSegments,
)
from mmpointvideo.engine.options import (
    add_cfg_options,
    load_config,
    non_negative_int,
    one_line_errors,
    positive_int,
)
from mmpointvideo.visualization import Layer, PointClip, write_clips
from mmpointvideo.visualization.clip import UPS, label_layer

COMPUTED = ('depth', 'height')


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--phase', choices=['train', 'val', 'test'], default='train')
    parser.add_argument(
        '--num', type=positive_int, default=8, help='clips, evenly spaced (default 8)'
    )
    parser.add_argument(
        '--frames', type=positive_int, default=6, help='frames of a clip (default 6)'
    )
    parser.add_argument('--rows', type=positive_int, default=4, help='clips a picture (default 4)')
    parser.add_argument(
        '--mode',
        choices=['transformed', 'original'],
        default='transformed',
        help='after the whole pipeline, or all points as they are stored',
    )
    parser.add_argument(
        '--color', default='depth', help="'depth', 'height', or the name of a label of the points"
    )
    parser.add_argument('--format', choices=['png', 'html', 'gif'], default='png')
    parser.add_argument('--view', help='front, oblique, scene, top (default: by the data set)')
    parser.add_argument('--up', choices=UPS, default='-y', help='direction (default -y)')
    parser.add_argument(
        '--output-dir', type=Path, help='folder (default work_dirs/browse_dataset/CONFIG)'
    )
    parser.add_argument('--seed', type=non_negative_int, default=0, help='of the random transforms')
    add_cfg_options(parser)
    return parser.parse_args(args)


def build_dataset(args: argparse.Namespace) -> BaseDataset:
    """The phase's data set, its pipeline without packing and splitting."""
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
    loader = cfg.get(f'{args.phase}_dataloader')
    if loader is None:
        phases = [p for p in ('train', 'val', 'test') if cfg.get(f'{p}_dataloader') is not None]
        raise ValueError(f'{args.config} has no {args.phase}_dataloader; it has {phases}')
    dataset = DATASETS.build(loader.dataset)
    source = dataset.source if isinstance(dataset, LabelFraction) else dataset
    steps: list[Any] = []
    for step in source.pipeline.transforms:
        wanted = {args.color} - set(COMPUTED)
        if isinstance(step, LoadPointVideoFrames):
            _check_label(dataset, wanted)
            if not wanted.issubset(step.labels):
                step.labels = (*step.labels, args.color)
        if args.mode == 'original' and not isinstance(step, SampleFrames | LoadPointVideoFrames):
            continue
        if not isinstance(step, PackPointVideoInputs | SplitSegments):
            steps.append(step)
    source.pipeline.transforms = steps
    return dataset


def _check_label(dataset: Any, wanted: set[str]) -> None:
    """Say which labels there are before a video is asked for one that it lacks."""
    if not wanted:
        return
    found = PointVideoStore(dataset.get_data_info(0)['video_path']).channels
    if not wanted.issubset(found):
        raise ValueError(
            f'--color: expected one of {[*COMPUTED, *found]} for this data set, got '
            f'{sorted(wanted)[0]!r}'
        )


def clip_clouds(item: dict, color: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Positions ``(n, 3)`` and colour values ``(n,)`` of every frame."""
    if 'points' in item:
        clouds = list(item['points'][..., :3])
        labels = item['point_labels'].get(color)
    else:
        frames = item['frames']
        clouds = np.split(frames.xyz, frames.offsets[1:-1])
        labels = frames.channels.get(color)
        labels = None if labels is None else np.split(labels, frames.offsets[1:-1])
    if color in COMPUTED:
        return clouds, [cloud[:, 2] for cloud in clouds]
    if labels is None:
        raise ValueError(f'--color: video {item["video_id"]} has no label {color!r}')
    return clouds, list(labels)


def make_clip(item: dict, color: str, meta: dict, up: str = '-y') -> PointClip:
    """An item of the data set as a clip with the layer ``color``.

    Args:
        item: What the pipeline gave, not packed.
        color: See the command line.
        meta: What the video's store and the data set say, see ``label_layer``.
        up: Which direction is up.

    Raises:
        ValueError: If there are no such labels, or a frame has no points.
    """
    clouds, values = clip_clouds(item, color)
    layers: dict[str, Layer] = {}
    if color == 'depth':
        layers[color] = Layer(values, colormap='viridis_r')
    elif color not in COMPUTED:
        # the transformed labels are classes already, where the pipeline maps them
        stored = 'points' not in item or not _mapped(values, meta)
        layers[color] = label_layer(color, values, meta, stored)
    label, classes = item.get('gt_label'), list(meta.get('classes') or [])
    title = str(item['video_id'])
    if label is not None:
        title += f'\n{label}: {classes[label] if classes else "?"}'
    names = [
        f'frame {i}, {len(cloud)} points'
        for i, cloud in zip(item['frame_inds'], clouds, strict=True)
    ]
    return PointClip(clouds, layers, title, names, up)


def _mapped(values: list[np.ndarray], meta: dict) -> bool:
    """Whether labels are classes (or 255) and not stored ids."""
    found = set(np.unique(np.concatenate(values)).tolist()) - {255}
    return found <= set(range(len(meta.get('classes', ()))))


def _store_meta(item: dict) -> dict[str, Any]:
    return PointVideoStore(item['video_path']).meta


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Write the pictures and return their paths."""
    args = parse_args(arguments)
    dataset = build_dataset(args)
    folder = args.output_dir or Path('work_dirs', 'browse_dataset', Path(args.config).stem)
    count = min(args.num, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
    view = args.view or ('scene' if isinstance(dataset, Synthia4DDataset) else 'front')
    np.random.seed(args.seed)
    starts = list(range(0, count, args.rows))
    paths: list[Path] = []
    for start in track_iter_progress(starts):
        items = [dataset[i] for i in indices[start : start + args.rows]]
        clips = [
            make_clip(item, args.color, {**_store_meta(item), **dataset.metainfo}, args.up)
            for item in items
        ]
        name = f'{args.phase}_{args.mode}_{args.color}_{len(paths):02d}.{args.format}'
        paths += write_clips(folder / name, clips, args.color, '', view, args.frames)
    print(f'\n{count} of {len(dataset)} clips in {len(paths)} file(s): {folder}')
    return paths


if __name__ == '__main__':
    with one_line_errors():
        main()
