"""Compare the frame store with the published layout: bytes on disk and clips a second.

The videos of a data set are written once more as the published code has them (one compressed
``.npz`` a video, an object array of float64 points a frame, which is a pickle), into a temporary
folder. Then workers of a data loader read random clips, in turns from one and from the other, so
that both meet the same machine.

    python tools/analysis_tools/benchmark_loading.py data/msr_action3d_skeleton --videos 64
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.engine.options import one_line_errors, positive_int
from mmpointvideo.simulation import DepthCamera
from mmpointvideo.utils.atomic import write_json

KEY = 'point_clouds'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('data_root', type=Path, help='folder with annotations.json and stores')
    parser.add_argument('--videos', type=positive_int, default=64, help='so many, evenly spaced')
    parser.add_argument('--frames', type=positive_int, default=24, help='frames of a clip')
    parser.add_argument('--workers', type=positive_int, nargs='+', default=[1, 2])
    parser.add_argument('--rounds', type=positive_int, default=5, help='turns of each layout')
    parser.add_argument(
        '--clips', type=positive_int, default=64, help='clips of the published layout a turn'
    )
    parser.add_argument(
        '--batch-size', type=positive_int, default=8, help='clips that a worker hands over'
    )
    parser.add_argument(
        '--points', type=positive_int, help='also draw so many points of every frame'
    )
    parser.add_argument('--out', type=Path, help='write the result into this JSON file')
    return parser.parse_args(argv)


def write_published(store: PointVideoStore, path: Path) -> None:
    """A video as the published preparation writes it: float64 points of the depth pixels."""
    clouds = np.empty(store.num_frames, object)
    camera = DepthCamera(**store.camera) if store.camera else None
    for frame in range(store.num_frames):
        if camera is not None:
            clouds[frame] = camera.depth_to_points(store.read_depth(frame))
        else:
            clouds[frame] = store.read([frame], channels=()).xyz.astype(np.float64)
    np.savez_compressed(path, **{KEY: clouds})


class Clips(Dataset):
    """Random clips of one layout; an item is the number of points read.

    Workers hand back a number, not the points: what is measured is the reading.

    Args:
        stores: Frame stores of the videos.
        published: Files of the published layout, to read from these instead.
        count: Number of clips.
        num_frames: T.
        num_points: Draw so many points of every frame, as ``SamplePoints`` does.
        seed: Of clips and points; the same seed, the same clips in both layouts.
    """

    def __init__(
        self,
        stores: Sequence[Path],
        published: Sequence[Path] | None,
        count: int,
        num_frames: int,
        num_points: int | None,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        lengths = [PointVideoStore(path).num_frames for path in stores]
        videos = rng.integers(len(stores), size=count)
        self.clips = [
            (int(video), int(rng.integers(max(1, lengths[video] - num_frames + 1))))
            for video in videos
        ]
        self.paths = list(published or stores)
        self.is_store = published is None
        self.num_frames = num_frames
        self.num_points = num_points

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> int:
        """Read a clip."""
        video, start = self.clips[index]
        read = self._read_store if self.is_store else self._read_published
        frames = read(self.paths[video], start)
        if self.num_points is not None:
            rng = np.random.default_rng(index)
            frames = [
                frame[rng.choice(len(frame), self.num_points, len(frame) < self.num_points)]
                for frame in frames
            ]
        return sum(map(len, frames))

    def _read_store(self, path: Path, start: int) -> list[np.ndarray]:
        store = PointVideoStore(path)  # opened anew for every clip, like the published file
        frames = np.minimum(np.arange(start, start + self.num_frames), store.num_frames - 1)
        batch = store.read(frames, channels=())
        return np.split(batch.xyz, batch.offsets[1:-1])

    def _read_published(self, path: Path, start: int) -> list[np.ndarray]:
        # as the published loaders do; this file was written by this very run
        with np.load(path, allow_pickle=True) as file:
            clouds = file[KEY]
        frames = np.minimum(np.arange(start, start + self.num_frames), len(clouds) - 1)
        return [clouds[frame] for frame in frames]


def clips_per_second(dataset: Clips, workers: int, batch_size: int) -> tuple[float, int]:
    """Clips a second once every worker has given its first batch, and the number of points."""
    loader = DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=2)
    batches = iter(loader)
    first = [next(batches) for _ in range(workers)]
    started = time.perf_counter()
    rest = list(batches)
    seconds = time.perf_counter() - started
    return sum(map(len, rest)) / seconds, sum(int(batch.sum()) for batch in first + rest)


def measure(
    stores: Sequence[Path], published: Sequence[Path], args: argparse.Namespace, workers: int
) -> dict[str, Any]:
    """Turn by turn the rates of both layouts, and their ratio."""
    rates: dict[str, list[float]] = {'store': [], 'published': []}
    for turn in range(args.rounds):
        options = (args.frames, args.points, turn)
        # both layouts read the same clips first; the store then more, to take measurable time
        size = args.batch_size
        old, seen = clips_per_second(Clips(stores, published, args.clips, *options), workers, size)
        same, expected = clips_per_second(Clips(stores, None, args.clips, *options), workers, size)
        if seen != expected:
            raise RuntimeError(f'the layouts hold different points: {seen} and {expected}')
        many = min(args.clips * 16, max(args.clips, int(same * args.clips / old)))
        new, _ = clips_per_second(Clips(stores, None, many, *options), workers, size)
        rates['published'].append(old)
        rates['store'].append(new)
    ratios = [new / old for new, old in zip(rates['store'], rates['published'], strict=True)]
    return dict(
        workers=workers,
        store=statistics.median(rates['store']),
        published=statistics.median(rates['published']),
        ratio=statistics.median(ratios),
        ratios=ratios,
    )


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Write the published layout, measure both, print a table."""
    args = parse_args(argv)
    if args.clips <= max(args.workers) * args.batch_size:
        raise SystemExit('--clips: expected more than a batch for every worker')
    videos = read_annotations(args.data_root / 'annotations.json')['data_list']
    if len(videos) > args.videos:
        keep = np.linspace(0, len(videos) - 1, args.videos).round().astype(int)
        videos = [videos[i] for i in keep]
    stores = [args.data_root / video['video_path'] for video in videos]
    with tempfile.TemporaryDirectory() as folder:
        published = [Path(folder) / f'{index:05d}.npz' for index in range(len(stores))]
        frames = points = 0
        for store_path, path in zip(stores, published, strict=True):
            store = PointVideoStore(store_path)
            write_published(store, path)
            frames += store.num_frames
            points += int(store.num_points.sum())
        sizes = [sum(path.stat().st_size for path in paths) for paths in (stores, published)]
        result: dict[str, Any] = dict(
            videos=len(stores),
            frames=frames,
            points_per_frame=points / frames,
            store_bytes_per_frame=sizes[0] / frames,
            published_bytes_per_frame=sizes[1] / frames,
            bytes_ratio=sizes[0] / sizes[1],
            rates=[measure(stores, published, args, workers) for workers in args.workers],
        )
    print(markdown(result, args))
    if args.out is not None:
        write_json(args.out, result)
    return result


def markdown(result: dict[str, Any], args: argparse.Namespace) -> str:
    """The result as a table."""
    what = f'clips of {args.frames} frames a second'
    if args.points:
        what += f' ({args.points} points drawn of each)'
    lines = [
        f'{result["videos"]} videos, {result["frames"]} frames, '
        f'{result["points_per_frame"]:.0f} points a frame',
        '',
        '| | frame store | published .npz | ratio |',
        '|---|---|---|---|',
        f'| bytes a frame | {result["store_bytes_per_frame"]:.0f} '
        f'| {result["published_bytes_per_frame"]:.0f} | {result["bytes_ratio"]:.2f} |',
    ]
    for rate in result['rates']:
        lines.append(
            f'| {what}, {rate["workers"]} worker{"s" * (rate["workers"] > 1)} '
            f'| {rate["store"]:.1f} | {rate["published"]:.1f} | {rate["ratio"]:.1f} |'
        )
    return '\n'.join(lines)


if __name__ == '__main__':
    with one_line_errors():
        main()
    sys.exit(0)
