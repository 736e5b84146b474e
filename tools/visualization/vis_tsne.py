"""Lay out an encoder's features of a data set in the plane (t-SNE).

    python tools/visualization/vis_tsne.py CONFIG CHECKPOINT

CONFIG is one of a downstream task (linear probe, fine-tuning); without CHECKPOINT the encoder is
as initialised. A point is a clip; colour and mark tell the class; clips without a label are grey.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpointvideo.apis import build_feature_dataloader, extract_features, init_recognizer
from mmpointvideo.apis.features import NO_LABEL
from mmpointvideo.engine.options import (
    add_cfg_options,
    load_config,
    non_negative_int,
    one_line_errors,
    positive_float,
    positive_int,
)
from mmpointvideo.utils.atomic import atomic_write
from mmpointvideo.visualization.colors import IGNORED_COLOR, MUTED
from mmpointvideo.visualization.export import require
from mmpointvideo.visualization.render import plain_texts

MARKS = 'os^vDPX*'


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config of a downstream task')
    parser.add_argument('checkpoint', type=Path, nargs='?', help='checkpoint of that model')
    parser.add_argument('--split', choices=['train', 'test'], default='test')
    parser.add_argument(
        '--classes', type=positive_int, default=10, help='the first so many (default 10)'
    )
    parser.add_argument('--perplexity', type=positive_float, default=20)
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument('--out', type=Path, help='default work_dirs/vis_tsne/CONFIG.png')
    add_cfg_options(parser)
    return parser.parse_args(args)


def embed(features: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """Standardised features ``(n, c)`` in the plane, ``(n, 2)``.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If there are too few clips for the perplexity.
    """
    if len(features) <= perplexity:
        raise ValueError(f'perplexity: expected less than {len(features)} clips, got {perplexity}')
    manifold = require('sklearn.manifold', 't-SNE pictures')
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return manifold.TSNE(perplexity=perplexity, random_state=seed).fit_transform(scaled)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Draw, and return the picture's path."""
    from matplotlib.figure import Figure

    args = parse_args(arguments)
    cfg = load_config(args.config, args.cfg_options, ('model',))
    model = init_recognizer(cfg, args.checkpoint)
    loader = build_feature_dataloader(cfg, args.split)
    found = extract_features(model, loader)
    labels = found['labels'].numpy()
    keep = labels < args.classes
    plane = embed(found['features'].numpy()[keep], args.perplexity, args.seed)
    labels = labels[keep]
    names = list(loader.dataset.metainfo.get('classes') or map(str, range(labels.max() + 1)))
    figure = Figure(figsize=(7.5, 5), layout='constrained')
    ax = figure.subplots()
    for label in np.unique(labels).tolist():
        if label == NO_LABEL:
            color, mark, name = np.array(IGNORED_COLOR) / 255, '.', 'no label'
        else:
            color, name = np.array(MUTED[label % len(MUTED)]) / 255, names[label]
            mark = MARKS[(label + label // len(MUTED)) % len(MARKS)]
        points = plane[labels == label]
        ax.scatter(*points.T, s=16, color=color, marker=mark, linewidths=0, label=name)
    ax.set(xticks=[], yticks=[], title=f'{len(plane)} clips, split {args.split}')
    ax.legend(fontsize=8, loc='center left', bbox_to_anchor=(1.0, 0.5))
    plain_texts(figure)
    out = args.out or Path('work_dirs', 'vis_tsne', f'{args.config.stem}.png')
    with atomic_write(out) as file:
        figure.savefig(file, format='png', dpi=100)
    print(f'written: {out}')
    return out


if __name__ == '__main__':
    with one_line_errors():
        main()
