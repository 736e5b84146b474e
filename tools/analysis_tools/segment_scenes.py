"""Segment whole scenes: both halves are predicted and merged, every stored point gets a class.

The table of classes counts all points of the stored frames, also those that the network did not
sample (they get the class of the nearest point that it did). tools/test.py counts sampled points.

    python tools/analysis_tools/segment_scenes.py CONFIG CHECKPOINT --save-dir predictions
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress

from mmpointvideo.apis import build_scene_dataset, init_model, score_scenes, segment_scene
from mmpointvideo.engine.options import (
    add_cfg_options,
    device_name,
    load_config,
    one_line_errors,
    output_file,
    positive_int,
)
from mmpointvideo.utils.atomic import atomic_write, write_json


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a segmentor')
    parser.add_argument('checkpoint', help='checkpoint; every weight of the model must be in it')
    parser.add_argument('--split', choices=['train', 'val', 'test', 'all'])
    parser.add_argument(
        '--frames-per-video',
        type=positive_int,
        help='so many evenly spaced frames of every video (default: all that are labelled)',
    )
    parser.add_argument('--out', type=output_file, help='write the metrics into this JSON file')
    parser.add_argument(
        '--save-dir',
        type=Path,
        help='write every scene into VIDEO-FRAME.npz here: xyz, rgb, gt_class, pred_label',
    )
    parser.add_argument(
        '--device', type=device_name, help='cpu, cuda, ... (default: a GPU where there is one)'
    )
    add_cfg_options(parser)
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> dict[str, float]:
    """Segment and score."""
    parsed = parse_args(args)
    cfg = load_config(parsed.config, parsed.cfg_options, ('model', 'test_dataloader'))
    dataset = build_scene_dataset(cfg, parsed.split, parsed.frames_per_video)
    model = init_model(cfg, parsed.checkpoint, parsed.device)
    started, points, scenes = time.perf_counter(), 0, []
    for frame in track_iter_progress(range(dataset.num_labelled_frames)):
        scene = segment_scene(model, dataset, frame)
        points += len(scene.xyz)
        # only the classes are kept until the end
        scenes.append(scene._replace(xyz=None, rgb=None, gt_label=None))
        if parsed.save_dir:
            name = f'{scene.video_id}-{scene.frame_id:06d}.npz'
            with atomic_write(parsed.save_dir / name) as file:
                fields = ('xyz', 'center', 'rgb', 'gt_class', 'pred_label')
                np.savez_compressed(
                    file,
                    **{k: v for k, v in scene._asdict().items() if k in fields and v is not None},
                )
    seconds = time.perf_counter() - started
    print(f'\n{len(scenes)} scenes, {points} points, {seconds:.1f} s')
    metrics = score_scenes(scenes, dataset)
    print(', '.join(f'{name} {metrics[name]:.2f}' for name in ('mIoU', 'mAcc', 'acc')))
    if parsed.out:
        write_json(parsed.out, metrics)
        print(f'metrics written to {parsed.out}')
    return metrics


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with one_line_errors():
        main()
