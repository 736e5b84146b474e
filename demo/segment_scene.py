"""A segmentor's classes beside the true ones, for whole scenes.

    python demo/segment_scene.py CHECKPOINT

With --out FILE.html both can be turned in a browser, their cameras linked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from defaults import add_out, make_parser

from mmpointvideo.apis import (
    build_scene_dataset,
    find_config,
    find_scenes,
    init_model,
    segment_scene,
)
from mmpointvideo.engine.options import (
    load_config,
    non_negative_int,
    one_line_errors,
    positive_int,
)
from mmpointvideo.visualization import PointClip, class_layer, write_clips

CONFIG = 'p4transformer-tiny_1xb8-3x1-1024pts-8e_builtin-streets'


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Segment, print, draw; returns the files."""
    parser = make_parser(__doc__, CONFIG)
    parser.add_argument('--data-root', help="data set (default: the config's)")
    parser.add_argument(
        '--video', type=non_negative_int, default=0, help='which video of the test split'
    )
    parser.add_argument(
        '--frames',
        type=positive_int,
        default=3,
        help='evenly spaced labelled ones (default 3)',
    )
    add_out(parser, 'segment_scene.png')
    args = parser.parse_args(arguments)
    cfg = load_config(find_config(args.config), needs=('model', 'test_dataloader'))
    if args.data_root:
        cfg.test_dataloader.dataset.data_root = args.data_root
    dataset = build_scene_dataset(cfg, frames_per_video=args.frames)
    try:
        numbers = find_scenes(dataset, args.video)
    except IndexError as error:
        parser.error(f'--{error}')
    model: Any = init_model(cfg, args.checkpoint, args.device)
    meta = {'dataset_type': 'Synthia4DDataset', **dataset.metainfo}
    frames, names, truth, predicted = [], [], [], []
    rng = np.random.default_rng(0)
    for number in numbers:
        scene = segment_scene(model, dataset, number)
        keep = rng.permutation(len(scene.xyz))[:8192]
        true = np.full(len(scene.xyz), 255) if scene.gt_class is None else scene.gt_class
        counts = true != 255
        right = (scene.pred_label == true)[counts]
        share = f'{right.mean():.1%} of {len(right)} labelled points' if len(right) else 'no labels'
        print(f'{scene.video_id}, frame {scene.frame_id}: right at {share}')
        frames.append((scene.xyz - scene.center)[keep])
        names.append(f'frame {scene.frame_id}')
        truth.append(true[keep])
        predicted.append(scene.pred_label[keep])
    layers = {'label': class_layer(truth, meta), 'prediction': class_layer(predicted, meta)}
    title = str(scene.video_id)
    clips = [
        PointClip(frames, dict(layers), f'{title}\n{what}', names)
        for what in ('truth', 'prediction')
    ]
    files = write_clips(args.out, clips, ['label', 'prediction'], title, 'scene', len(frames))
    print(f'written: {files[0]}')
    return files


if __name__ == '__main__':
    with one_line_errors():
        main()
