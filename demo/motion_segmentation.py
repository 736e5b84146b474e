"""Segment moving people into parts without a label (Figure 5 of PointCPSC).

    python demo/motion_segmentation.py CHECKPOINT

As prototypes.py, with prototypes of similar meaning merged: average linkage over the cosines of
the prototypes, down to --groups. Prototypes with less than 1 % of the points join the most similar
one that has more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from defaults import (
    PRETRAIN,
    add_data_root,
    add_out,
    describe,
    make_parser,
    pick_videos,
    read_videos,
)
from prototypes import prototype_clips

from mmpointvideo.apis import find_config, init_pretraining, merge_prototypes
from mmpointvideo.engine.options import non_negative_int, one_line_errors, positive_int
from mmpointvideo.visualization import Layer, write_clips


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Draw, and return the files."""
    parser = make_parser(__doc__, PRETRAIN)
    add_data_root(parser)
    parser.add_argument('--videos', type=positive_int, default=2, help='videos (default 2)')
    parser.add_argument('--groups', type=positive_int, default=5, help='of prototypes (default 5)')
    parser.add_argument('--seed', type=non_negative_int, default=0, help='which videos')
    add_out(parser, 'motion_segmentation.gif')
    args = parser.parse_args(arguments)
    meta, videos = read_videos(args.data_root)
    config = find_config(args.config)
    model = init_pretraining(config, args.checkpoint, args.device, 'cluster_head')
    head: Any = model.cluster_head
    unit = F.normalize(head.target_prototypes.detach().cpu(), dim=1)
    chosen = pick_videos(videos, args.videos, args.seed)
    frames = 8 if args.out.suffix.lower() == '.png' else None
    clips = prototype_clips(model, chosen, meta, frames)
    every = np.concatenate([np.concatenate(clip.layers['prototype'].values) for clip in clips])
    share = np.bincount(every, minlength=len(unit)) / len(every)
    groups = merge_prototypes((unit @ unit.T).numpy(), args.groups, share >= 0.01)
    names = []
    for number in range(groups.max() + 1):
        members = np.flatnonzero((groups == number) & (share > 0)).tolist()
        names.append(f'prototype{"s" * (len(members) > 1)} {"+".join(map(str, members))}')
        print(f'{names[-1]}: {share[groups == number].sum():.1%} of the points')
    for video, clip in zip(chosen, clips, strict=True):
        print(describe(video, meta))
        values = clip.layers['prototype'].values
        clip.layers['prototype'] = Layer([groups[value] for value in values], names)
    files = write_clips(args.out, clips, 'prototype', 'Merged prototypes over time', num_frames=8)
    print(f'written: {files[0]}')
    return files


if __name__ == '__main__':
    with one_line_errors():
        main()
