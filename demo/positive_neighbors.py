"""A superpoint's region and the regions of its nearest neighbours (Figure 3 of PointCPSC).

    python demo/positive_neighbors.py CHECKPOINT

The neighbours are the entries of the memory bank, from other videos, whose embeddings are most
similar to that of a superpoint of a video that training did not see. A bank entry remembers its
position after the random scaling of training (up to 10 % along each axis): its region is drawn
about the raw point that needs the least scaling to lie there.
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
)

from mmpointvideo.apis import encode_superpoints, find_config, init_pretraining
from mmpointvideo.apis.clip_pipeline import ClipPipeline
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.engine.options import (
    non_negative_int,
    one_line_errors,
    positive_float,
    positive_int,
)
from mmpointvideo.visualization import Layer, PointClip, write_clips
from mmpointvideo.visualization.clip import part_names

COLORS = ((175, 178, 186), (213, 94, 0))


def match_scaled(points: np.ndarray, position: np.ndarray) -> int:
    """The point that needs the least scaling along the axes to lie at a position.

    Args:
        points: ``(n, 3)`` raw points, as the network would see them unscaled.
        position: ``(3,)``.
    """
    # a scale near 1 explains distances in proportion to the coordinate; 0.02 where that is small
    tolerance = 0.05 * np.abs(points) + 0.02
    return int((((points - position) / tolerance) ** 2).sum(axis=1).argmin())


class Panels:
    """The panels of one row: frames with a region."""

    def __init__(self, radius: float) -> None:
        self.radius = radius
        self.frames: list[np.ndarray] = []
        self.regions: list[np.ndarray] = []
        self.names: list[str] = []

    def add(self, points: np.ndarray, center: int, name: str) -> None:
        """A frame ``(n, 3)`` with the region about one of its points."""
        rng = np.random.default_rng(0)
        near = np.linalg.norm(points - points[center], axis=1) < self.radius
        keep = np.sort(rng.permutation(len(points))[:3000])
        self.frames.append(points[keep] - points.mean(axis=0))
        self.regions.append(near[keep].astype(np.int64))
        self.names.append(name)

    def clip(self, title: str) -> PointClip:
        """All panels, as the frames of a clip."""
        layer = Layer(self.regions, ['body', 'region of the superpoint'], COLORS)
        return PointClip(self.frames, {'region': layer}, title, self.names)


def read_frame(video: dict[str, Any], frame: int, scale: float) -> tuple[np.ndarray, Any]:
    """Points as the network sees them, and their body parts or None."""
    store = PointVideoStore(video['video_path'])
    batch = store.read([frame])
    parts = None if part_names(store.meta) is None else batch.channels.get('part')
    return batch.xyz * np.float32(scale), parts


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Draw, and return the files."""
    parser = make_parser(__doc__, PRETRAIN)
    add_data_root(parser)
    parser.add_argument('--queries', type=positive_int, default=4, help='superpoints (default 4)')
    parser.add_argument('--neighbors', type=positive_int, default=4, help='of each (default 4)')
    parser.add_argument('--radius', type=positive_float, default=0.2, help="in the network's unit")
    parser.add_argument('--seed', type=non_negative_int, default=0, help='which superpoints')
    add_out(parser, 'positive_neighbors.png')
    args = parser.parse_args(arguments)
    meta, videos = read_videos(args.data_root)
    config = find_config(args.config)
    model: Any = init_pretraining(config, args.checkpoint, args.device, 'memory_bank')
    bank = model.memory_bank
    pipeline = ClipPipeline(model.cfg)
    count = bank.num_valid
    stored = bank.valid_features().cpu()
    provenance = [part[:count].cpu().numpy() for part in bank.provenance]
    if provenance[0].max() >= len(videos):
        raise ValueError(
            f'the bank holds video {provenance[0].max()}, {args.data_root} has {len(videos)}: '
            'name the data set that the checkpoint was trained on with --data-root'
        )
    rng = np.random.default_rng(args.seed)
    rows, same_part, seen = [], 0, 0
    for query in pick_videos(videos, args.queries, args.seed):
        frame = int(rng.integers(query['num_frames'] // 4, 3 * query['num_frames'] // 4 + 1))
        found = encode_superpoints(model, query['video_path'], [frame], pipeline)
        which = int(rng.integers(found.xyz.shape[1]))
        similarity = (stored @ found.tokens[0, which]).numpy()
        similarity[provenance[0] == query['video_index']] = -2
        panels = Panels(args.radius)
        points, parts = read_frame(query, frame, pipeline.scale)
        at = found.xyz[0, which].numpy() * pipeline.scale
        center = int(np.linalg.norm(points - at, axis=1).argmin())
        panels.add(points, center, f'query\n{describe(query, meta)}')
        own = None if parts is None else parts[center]
        print(f'{describe(query, meta)}, frame {frame}')
        for entry in np.argsort(-similarity)[: args.neighbors].tolist():
            video = videos[int(provenance[0][entry])]
            stored_frame = int(provenance[1][entry])
            points, parts = read_frame(video, stored_frame, pipeline.scale)
            center = match_scaled(points, provenance[2][entry])
            name = f'{describe(video, meta)}'
            panels.add(points, center, f'{similarity[entry]:.3f}\n{name}')
            print(f'  {similarity[entry]:.3f}  {name}, frame {stored_frame}')
            if own is not None and parts is not None:
                seen += 1
                same_part += int(parts[center] == own)
        rows.append(panels.clip(f'superpoint {which}'))
    if seen:
        print(f'neighbours on the same body part: {same_part} of {seen}')
    title = 'Superpoints and their most similar entries of the memory bank'
    files = write_clips(args.out, rows, 'region', title, num_frames=args.neighbors + 1)
    print(f'written: {files[0]}')
    return files


if __name__ == '__main__':
    with one_line_errors():
        main()
