"""Colour every point by its prototype (Figure 4 of PointCPSC).

    python demo/prototypes.py CHECKPOINT

Superpoints of every frame are assigned to the prototypes of pre-training and the assignment is
carried to the raw points. With --out FILE.html one video can be turned in a browser, by prototype
and by its true body parts side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from defaults import (
    PRETRAIN,
    add_data_root,
    add_out,
    describe,
    make_parser,
    pick_videos,
    read_videos,
    spread_frames,
)

from mmpointvideo.apis import find_config, init_pretraining, point_prototypes
from mmpointvideo.apis.superpoints import check_pretraining
from mmpointvideo.engine.options import non_negative_int, one_line_errors, positive_int
from mmpointvideo.visualization import Layer, PointClip, clip_from_store, write_clips


def prototype_clips(
    model: Any, videos: list[dict], meta: dict, count: int | None
) -> list[PointClip]:
    """Clips with the layer ``prototype``.

    Args:
        model: A PointCPSC.
        videos: Annotations.
        meta: Of the data set.
        count: Frames of a video, evenly spaced; None: all.
    """
    head: Any = check_pretraining(model, 'cluster_head').cluster_head
    names = [f'prototype {i}' for i in range(len(head.target_prototypes))]
    clips = []
    for video in videos:
        total = video['num_frames']
        frames = spread_frames(total, count or total)
        labels = point_prototypes(model, video['video_path'], frames)
        title = describe(video, meta).replace(': ', '\n')
        clip = clip_from_store(video['video_path'], frames, None, meta, title)
        clip.layers['prototype'] = Layer(labels, names)
        clips.append(clip.thin(2048, np.random.default_rng(0)))
    return clips


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Draw, and return the files."""
    parser = make_parser(__doc__, PRETRAIN)
    add_data_root(parser)
    parser.add_argument('--videos', type=positive_int, default=4, help='videos (default 4)')
    parser.add_argument(
        '--frames', type=positive_int, default=6, help='of a video in a PNG (default 6)'
    )
    parser.add_argument('--seed', type=non_negative_int, default=0, help='which videos')
    add_out(parser, 'prototypes.png')
    args = parser.parse_args(arguments)
    meta, videos = read_videos(args.data_root)
    config = find_config(args.config)
    model = init_pretraining(config, args.checkpoint, args.device, 'cluster_head')
    suffix = args.out.suffix.lower()
    page = suffix == '.html'
    chosen = pick_videos(videos, 1 if page else args.videos, args.seed)
    clips = prototype_clips(model, chosen, meta, args.frames if suffix == '.png' else None)
    counts = np.zeros(len(clips[0].layers['prototype'].names or ()), int)
    for clip in clips:
        for values in clip.layers['prototype'].values:
            counts += np.bincount(values, minlength=len(counts))
    for index, share in enumerate(counts / counts.sum()):
        print(f'prototype {index}: {share:6.1%} of the points')
    colors = ['prototype'] * len(clips)
    if page:
        clips, colors = clips * 2, ['prototype', 'part' if 'part' in clips[0].layers else 'height']
    files = write_clips(args.out, clips, colors, 'Points by their prototype')
    print(f'written: {files[0]}')
    return files


if __name__ == '__main__':
    with one_line_errors():
        main()
