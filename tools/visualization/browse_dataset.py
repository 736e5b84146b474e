"""Write pictures of a data set's clips as the network sees them.

    python tools/visualization/browse_dataset.py CONFIG --phase train --num 8

A row is a clip, a column a frame of it, seen from the sensor; colour is depth, or a label of the
points (``--color part``). Look at them before training: orientation, scale, holes, labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, init_default_scope
from mmengine.utils import track_iter_progress

from mmpointvideo.datasets.transforms import (
    LoadPointVideoFrames,
    PackPointVideoInputs,
    SampleFrames,
    SplitSegments,
)
from mmpointvideo.utils.atomic import atomic_write


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--phase', choices=['train', 'val', 'test'], default='train')
    parser.add_argument('--num', type=int, default=8, help='clips, evenly spaced (default 8)')
    parser.add_argument('--frames', type=int, default=6, help='frames of a clip (default 6)')
    parser.add_argument('--rows', type=int, default=4, help='clips a picture (default 4)')
    parser.add_argument(
        '--mode',
        choices=['transformed', 'original'],
        default='transformed',
        help='after the whole pipeline, or all points as they are stored',
    )
    parser.add_argument(
        '--color', default='depth', help="'depth', or the name of a label of the points"
    )
    parser.add_argument(
        '--output-dir', type=Path, help='folder (default work_dirs/browse_dataset/CONFIG)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the random transforms')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='KEY=VALUE pairs for the config'
    )
    parsed = parser.parse_args(args)
    for name in ('num', 'frames', 'rows'):
        if getattr(parsed, name) < 1:
            parser.error(f'--{name}: expected at least 1, got {getattr(parsed, name)}')
    return parsed


def build_dataset(args: argparse.Namespace) -> BaseDataset:
    """The phase's data set, its pipeline without packing and splitting."""
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
    loader = cfg.get(f'{args.phase}_dataloader')
    if loader is None:
        phases = [p for p in ('train', 'val', 'test') if cfg.get(f'{p}_dataloader') is not None]
        raise ValueError(f'{args.config} has no {args.phase}_dataloader; it has {phases}')
    dataset = DATASETS.build(loader.dataset)
    steps: list[Any] = []
    for step in dataset.pipeline.transforms:
        wanted = {args.color} - {'depth'}
        if isinstance(step, LoadPointVideoFrames) and not wanted.issubset(step.labels):
            step.labels = (*step.labels, args.color)
        if args.mode == 'original' and not isinstance(step, SampleFrames | LoadPointVideoFrames):
            continue
        if not isinstance(step, PackPointVideoInputs | SplitSegments):
            steps.append(step)
    dataset.pipeline.transforms = steps
    return dataset


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
    if color == 'depth':
        return clouds, [cloud[:, 2] for cloud in clouds]
    if labels is None:
        raise ValueError(f'--color: video {item["video_id"]} has no label {color!r}')
    return clouds, list(labels)


def draw_sheet(items: list[dict], path: Path, args: argparse.Namespace, classes: list) -> None:
    """Write one picture: a row a clip."""
    from matplotlib.figure import Figure

    columns = min(args.frames, min(len(item['frame_inds']) for item in items))
    figure = Figure(figsize=(2.2 * columns + 0.6, 3 * len(items)), layout='constrained')
    axes = figure.subplots(len(items), columns, squeeze=False)
    for row, item in zip(axes, items, strict=True):
        clouds, colors = clip_clouds(item, args.color)
        picks = np.linspace(0, len(clouds) - 1, columns).round().astype(int)
        drawn = np.concatenate([clouds[t] for t in picks])
        values = np.concatenate([colors[t] for t in picks])
        if len(drawn) == 0:
            raise ValueError(f'video {item["video_id"]}: no points in the frames to be drawn')
        (left, top, _), (right, bottom, _) = drawn.min(axis=0), drawn.max(axis=0)
        margin = 0.05 * max(right - left, bottom - top, 1e-6)
        style = dict(vmin=values.min(), vmax=values.max(), s=2, linewidths=0, rasterized=True)
        style['cmap'] = 'viridis_r' if args.color == 'depth' else 'tab20'
        for ax, t in zip(row, picks, strict=True):
            cloud, value = clouds[t], colors[t]
            order = np.argsort(-cloud[:, 2])  # the near ones last, in front
            image = ax.scatter(cloud[order, 0], cloud[order, 1], c=value[order], **style)
            # y points down in camera coordinates: the axis too, and people stand upright
            ax.set(xlim=(left - margin, right + margin), ylim=(bottom + margin, top - margin))
            ax.set_aspect('equal')
            ax.tick_params(labelsize=5)
            ax.set_title(f'frame {item["frame_inds"][t]}, {len(cloud)} points', fontsize=7)
        label = item.get('gt_label')
        name = '' if label is None else f'\n{label}: {classes[label] if classes else "?"}'
        row[0].set_ylabel(f'{item["video_id"]}{name}', fontsize=8)
        bar = figure.colorbar(image, ax=list(row), shrink=0.8, aspect=40)
        bar.set_label('z' if args.color == 'depth' else args.color, fontsize=7)
        bar.ax.tick_params(labelsize=5)
    with atomic_write(path) as file:
        figure.savefig(file, format='png', dpi=110)


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Write the pictures and return their paths."""
    args = parse_args(arguments)
    dataset = build_dataset(args)
    folder = args.output_dir or Path('work_dirs', 'browse_dataset', Path(args.config).stem)
    count = min(args.num, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
    classes = list(dataset.metainfo.get('classes', []))
    np.random.seed(args.seed)
    starts = list(range(0, count, args.rows))
    paths = []
    for start in track_iter_progress(starts):
        items = [dataset[i] for i in indices[start : start + args.rows]]
        path = folder / f'{args.phase}_{args.mode}_{args.color}_{len(paths):02d}.png'
        draw_sheet(items, path, args, classes)
        paths.append(path)
    print(f'\n{count} of {len(dataset)} clips in {len(paths)} picture(s): {folder}')
    return paths


if __name__ == '__main__':
    main()
