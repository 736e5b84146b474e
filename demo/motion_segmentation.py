"""Segment moving people into parts without a label (Figure 5 of PointCPSC).

    python demo/motion_segmentation.py CHECKPOINT

As prototypes.py, with prototypes of similar meaning merged: average linkage over the cosines of
the prototypes, down to --groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from defaults import PRETRAIN, add_data_root, describe, make_parser, read_videos
from defaults import test_videos as pick_videos
from prototypes import prototype_clips

from mmpointvideo.apis import find_config, init_model, merge_prototypes
from mmpointvideo.apis.superpoints import check_pretraining
from mmpointvideo.visualization import write_clips


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Draw, and return the files."""
    parser = make_parser(__doc__, PRETRAIN)
    add_data_root(parser)
    parser.add_argument('--videos', type=int, default=2, help='videos (default 2)')
    parser.add_argument('--groups', type=int, default=6, help='of prototypes (default 6)')
    parser.add_argument('--seed', type=int, default=0, help='which videos')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo/motion_segmentation.gif'))
    args = parser.parse_args(arguments)
    meta, videos = read_videos(args.data_root)
    model = init_model(find_config(args.config), args.checkpoint, args.device)
    head = check_pretraining(model, 'cluster_head').cluster_head
    unit = F.normalize(head.target_prototypes.detach().cpu(), dim=1)
    groups = merge_prototypes((unit @ unit.T).numpy(), args.groups)
    for number in range(groups.max() + 1):
        print(f'group {number}: prototypes {(groups == number).nonzero()[0].tolist()}')
    chosen = pick_videos(videos, args.videos, args.seed)
    frames = 8 if args.out.suffix == '.png' else None
    clips = prototype_clips(model, chosen, meta, frames, groups)
    for video in chosen:
        print(describe(video, meta))
    files = write_clips(args.out, clips, 'prototype', 'Merged prototypes over time', num_frames=8)
    print(f'written: {files[0]}')
    return files


if __name__ == '__main__':
    main()
