"""How well prototypes agree with body parts (Figure 4 of PointCPSC as a number).

    python tools/analysis_tools/prototype_parts.py CONFIG CHECKPOINTS [--out FOLDER]

The simulated sensor knows the body part of every point. Superpoints of evenly spaced frames are
assigned to prototypes, assignments are carried to all raw points of the frame, and compared with
the parts: normalised mutual information (NMI) and purity. Beside the checkpoints stand a random
encoder and k-means with as many clusters: on raw coordinates, on coordinates about the frame's
centroid, and on features. k-means is fitted to the very frames that it is judged on; the prototypes
are not.

CHECKPOINTS is one file, or the work dir of a run that keeps one an epoch
(--cfg-options default_hooks.checkpoint.max_keep_ckpts=-1).
"""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.utils import track_iter_progress
from torch import Tensor

from mmpointvideo.apis import init_pretraining, open_video, prototype_shares
from mmpointvideo.apis.clip_pipeline import ClipPipeline
from mmpointvideo.apis.superpoints import (
    Superpoints,
    encode_segments,
    nearest_superpoints,
    pack_segment,
)
from mmpointvideo.checkpoints import read_state_dict, require_all_weights
from mmpointvideo.engine.options import (
    add_cfg_options,
    load_config,
    non_negative_int,
    one_line_errors,
    positive_int,
)
from mmpointvideo.evaluation.clustering import contingency, normalized_mutual_info, purity
from mmpointvideo.simulation.bodies import PART_NAMES
from mmpointvideo.utils.atomic import atomic_write, write_json
from mmpointvideo.visualization.export import require
from mmpointvideo.visualization.render import plain_texts

BATCH = 64


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config of a pre-training with prototypes')
    parser.add_argument('checkpoints', type=Path, help='a checkpoint, or a folder of epoch_*.pth')
    parser.add_argument('--split', default='test', help='which videos (default test)')
    parser.add_argument(
        '--videos', type=positive_int, default=60, help='evenly spaced (default 60)'
    )
    parser.add_argument('--frames', type=positive_int, default=8, help='of a video (default 8)')
    parser.add_argument(
        '--seed', type=non_negative_int, default=0, help='of the random encoder and k-means'
    )
    parser.add_argument('--out', type=Path, help='folder for prototype_parts.{json,png}')
    add_cfg_options(parser)
    return parser.parse_args(args)


def find_checkpoints(path: Path) -> list[tuple[str, Path]]:
    """Name and file of every checkpoint, in the order of the epochs."""
    if path.is_file():
        return [(path.stem, path)]
    found = [
        (int(m[1]), p) for p in path.glob('*.pth') if (m := re.fullmatch(r'epoch_(\d+)', p.stem))
    ]
    if not found:
        raise FileNotFoundError(f'{path}: expected a checkpoint or a folder with epoch_*.pth')
    return [(f'epoch {epoch}', file) for epoch, file in sorted(found)]


class Frames:
    """The frames that everything is compared on: packed segments, points, parts."""

    def __init__(self, cfg: Config, model: Any, split: str, videos: int, frames: int) -> None:
        init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
        config = copy.deepcopy(cfg.train_dataloader.dataset)
        config.update(split=split, pipeline=[], clips=1, test_mode=True, short_videos='pad')
        dataset = DATASETS.build(config)
        self.pipeline = ClipPipeline(cfg)
        self.packed: list[dict] = []
        self.points: list[np.ndarray] = []
        self.parts: list[np.ndarray] = []
        picks = np.linspace(0, len(dataset) - 1, min(videos, len(dataset))).round().astype(int)
        for pick in track_iter_progress(picks.tolist()):
            info = dataset.get_data_info(pick)
            video = open_video(info['video_path'])
            total = video.num_frames
            for frame in np.linspace(0, total - 1, min(frames, total)).round().astype(int).tolist():
                batch = video.read([frame], ['part'])
                if len(batch.xyz):
                    self.packed.append(pack_segment(model, self.pipeline, video, frame))
                    self.points.append(batch.xyz)
                    self.parts.append(batch.channels['part'].astype(np.int64))
        self.near: list[tuple[Tensor, Tensor]] = []
        self.coarse_parts: list[np.ndarray] = []
        print(f'\n{len(self.packed)} frames of {len(picks)} videos, split {split!r}')

    def encode(self, model: Any) -> Superpoints:
        """Superpoints of all frames, in the data set's unit."""
        parts = [
            encode_segments(model, self.packed[i : i + BATCH])
            for i in range(0, len(self.packed), BATCH)
        ]
        xyz, encoded, tokens = (torch.cat(part) for part in zip(*parts, strict=True))
        numbers = np.arange(len(self.packed))
        return Superpoints(numbers, xyz / self.pipeline.scale, encoded, tokens)

    def place(self, xyz: Tensor, max_points: int = 2048) -> None:
        """Relate points to superpoints; these lie in the same places for all weights.

        Of a frame at most ``max_points`` points are compared.
        """
        rng = np.random.default_rng(0)
        for i, position in enumerate(xyz):
            # a superpoint is one of the frame's points: it has that point's part
            nearest = torch.cdist(position, torch.from_numpy(self.points[i])).argmin(dim=1)
            self.coarse_parts.append(self.parts[i][nearest.numpy()])
            keep = rng.permutation(len(self.points[i]))[:max_points]
            self.near.append(nearest_superpoints(self.points[i][keep], position))
            self.parts[i] = self.parts[i][keep]

    def score(self, shares: Tensor) -> dict[str, float]:
        """Agreement of soft assignments ``(F, r, k)`` of the superpoints with the parts."""
        shape = (shares.shape[-1], len(PART_NAMES))
        raw, coarse = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for i, share in enumerate(shares):
            idx, weight = self.near[i]
            labels = (share[idx] * weight[..., None]).sum(dim=1).argmax(dim=1)
            raw += contingency(labels.numpy(), self.parts[i], shape)
            coarse += contingency(share.argmax(dim=1).numpy(), self.coarse_parts[i], shape)
        return dict(
            nmi=normalized_mutual_info(raw),
            purity=purity(raw),
            superpoint_nmi=normalized_mutual_info(coarse),
            superpoint_purity=purity(coarse),
            used=int((raw.sum(axis=1) > 0).sum()),
        )


def k_means(values: Tensor, clusters: int, seed: int) -> Tensor:
    """One-hot clusters ``(F, r, k)`` of values ``(F, r, c)``."""
    means = require('sklearn.cluster', 'k-means baselines').KMeans(
        clusters, n_init=4, random_state=seed
    )
    labels = means.fit_predict(values.flatten(0, 1).numpy())
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), clusters)
    return one_hot.float().unflatten(0, values.shape[:2])


def calibrate(model: Any, frames: Frames) -> None:
    """Give a random encoder batch norm statistics of these frames: without, it is no baseline."""
    model.train()
    for start in range(0, min(len(frames.packed), 8 * BATCH), BATCH):
        encode_segments(model, frames.packed[start : start + BATCH])
    model.eval()


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """All rows: name to scores."""
    cfg = load_config(args.config, args.cfg_options, ('model', 'train_dataloader'))
    checkpoints = find_checkpoints(args.checkpoints)
    torch.manual_seed(args.seed)
    model: Any = init_pretraining(cfg, device='cpu', need='cluster_head')
    frames = Frames(cfg, model, args.split, args.videos, args.frames)
    k = len(model.cluster_head.target_prototypes)

    calibrate(model, frames)
    random = frames.encode(model)
    frames.place(random.xyz)
    centred = random.xyz - torch.stack(
        [torch.from_numpy(points.mean(axis=0)) for points in frames.points]
    ).unsqueeze(1)
    rows = {
        'k-means, raw coordinates': frames.score(k_means(random.xyz, k, args.seed)),
        "k-means, coordinates about the frame's centroid": frames.score(
            k_means(centred, k, args.seed)
        ),
        'random encoder, k-means on features': frames.score(k_means(random.encoded, k, args.seed)),
        'random encoder, prototypes': frames.score(prototype_shares(model, random)),
    }
    epochs = {}
    for name, path in track_iter_progress(checkpoints):
        require_all_weights(model, path)
        model.load_state_dict(read_state_dict(path))
        found = frames.encode(model)
        epochs[name] = frames.score(prototype_shares(model, found))
    print()
    last = checkpoints[-1][0]
    rows[f'{last}, prototypes'] = epochs[last]
    rows[f'{last}, k-means on features'] = frames.score(k_means(found.encoded, k, args.seed))
    return dict(rows=rows, epochs=epochs, clusters=k, frames=len(frames.packed))


def draw(result: dict[str, Any], path: Path) -> None:
    """NMI by epoch, the baselines as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.8), layout='constrained')
    ax = figure.subplots()
    numbers = [int(name.split()[-1]) for name in result['epochs']]
    values = [score['nmi'] for score in result['epochs'].values()]
    ax.plot(numbers, values, 'o-', color='#0072b2', markersize=3, label='PointCPSC, prototypes')
    looks = [('--', '#000000'), ('-.', '#555555'), (':', '#d55e00'), ('--', '#e69f00')]
    for (name, score), (line, color) in zip(list(result['rows'].items())[:4], looks, strict=True):
        ax.axhline(score['nmi'], linestyle=line, color=color, linewidth=1.3, label=name)
    ax.set(xlabel='epoch of pre-training', ylabel='NMI with body parts', ylim=(0, None))
    ax.legend(fontsize=7)
    plain_texts(figure)
    with atomic_write(path) as file:
        figure.savefig(file, format='png', dpi=110)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Print the table, write JSON and picture, and return the numbers."""
    args = parse_args(arguments)
    result = evaluate(args)
    print(f'| {result["clusters"]} clusters | NMI | purity | superpoints: NMI | purity | used |')
    print('|---|---|---|---|---|---|')
    for name, score in result['rows'].items():
        cells = [f'{score[key]:.3f}' for key in ('nmi', 'purity')]
        cells += [f'{score[f"superpoint_{key}"]:.3f}' for key in ('nmi', 'purity')]
        print(f'| {name} | {" | ".join(cells)} | {score["used"]} |')
    if args.out:
        write_json(args.out / 'prototype_parts.json', result)
        if len(result['epochs']) > 1:
            draw(result, args.out / 'prototype_parts.png')
    return result


if __name__ == '__main__':
    with one_line_errors():
        main()
