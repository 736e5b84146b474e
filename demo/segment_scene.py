"""A segmentor's classes beside the true ones, for whole scenes.

    python demo/segment_scene.py CHECKPOINT

With --out FILE.html both can be turned in a browser, their cameras linked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from defaults import make_parser
from mmengine.config import Config

from mmpointvideo.apis import (
    build_scene_dataset,
    find_config,
    find_scenes,
    init_model,
    segment_scene,
)
from mmpointvideo.visualization import PointClip, class_layer, write_clips

CONFIG = 'p4transformer-tiny_1xb8-3x1-1024pts-8e_builtin-streets'


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Segment, print, draw; returns the files."""
    parser = make_parser(__doc__, CONFIG)
    parser.add_argument('--data-root', help="data set (default: the config's)")
    parser.add_argument('--video', type=int, default=0, help='which video of the test split')
    parser.add_argument(
        '--frames',
        type=int,
        default=3,
        help='evenly spaced labelled ones (default 3)',
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo/segment_scene.png'))
    args = parser.parse_args(arguments)
    cfg = Config.fromfile(find_config(args.config))
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
    main()
