"""Which classes a model takes for which, video by video.

    python tools/analysis_tools/confusion_matrix.py CONFIG CHECKPOINT --out confusion

Probabilities are averaged over a video's clips, as VideoAccuracy does. Prints the accuracy of
every class and the most frequent confusions; writes OUT.json and OUT.png.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.utils import ProgressBar

from mmpointvideo.apis import init_recognizer
from mmpointvideo.apis.features import build_feature_dataloader
from mmpointvideo.engine.options import (
    add_cfg_options,
    device_name,
    load_config,
    one_line_errors,
    positive_int,
)
from mmpointvideo.evaluation.video_accuracy import check_label
from mmpointvideo.utils.atomic import write_json
from mmpointvideo.visualization.render import plain_texts


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a recogniser')
    parser.add_argument('checkpoint', help='checkpoint; every weight of the model must be in it')
    parser.add_argument('--out', type=Path, required=True, help='path without suffix')
    parser.add_argument(
        '--top', type=positive_int, default=10, help='so many confusions are printed'
    )
    parser.add_argument(
        '--device', type=device_name, help='cpu, cuda, ... (default: a GPU where there is one)'
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


@torch.no_grad()
def predict_videos(model: Any, loader: Any) -> dict[str, tuple[int, int]]:
    """True and predicted class of every video.

    Raises:
        ValueError: If a video has no label.
    """
    scores: dict[str, np.ndarray] = {}
    labels: dict[str, int] = {}
    bar = ProgressBar(len(loader))
    for batch in loader:
        for sample in model.test_step(batch):
            check_label(sample, 'a confusion matrix')
            score = sample.pred_score.double().cpu().numpy()
            scores[sample.video_id] = scores.get(sample.video_id, 0.0) + score
            labels[sample.video_id] = int(sample.gt_label)
        bar.update()
    print()
    return {name: (labels[name], int(score.argmax())) for name, score in scores.items()}


def confusion_matrix(pairs: dict[str, tuple[int, int]], num_classes: int) -> np.ndarray:
    """``(num_classes, num_classes)``: row true class, column predicted class, number of videos."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for label, guess in pairs.values():
        matrix[label, guess] += 1
    return matrix


def report(matrix: np.ndarray, classes: list[str], top: int) -> str:
    """Accuracy in all and by class, and the most frequent confusions."""
    counts = matrix.sum(axis=1)
    lines = [f'{matrix.trace()} of {counts.sum()} videos: {matrix.trace() / counts.sum():.2%}']
    for k in np.flatnonzero(counts):
        lines.append(f'  {classes[k]}: {matrix[k, k]} of {counts[k]}')
    wrong = matrix - np.diag(matrix.diagonal())
    for index in np.argsort(-wrong, axis=None, kind='stable')[:top]:
        i, j = np.unravel_index(index, wrong.shape)
        if wrong[i, j]:
            lines.append(f'{wrong[i, j]} x {classes[i]} taken for {classes[j]}')
    return '\n'.join(lines)


def draw(matrix: np.ndarray, classes: list[str], path: Path) -> None:
    """The matrix, rows normalised."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        print('no picture: it needs Matplotlib (pip install matplotlib)')
        return
    size = 2.5 + 0.28 * len(classes)
    figure = Figure(figsize=(size, size))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(matrix), strict=True):
        color = 'white' if shares[i, j] > 0.5 else 'black'
        axes.text(j, i, str(matrix[i, j]), ha='center', va='center', fontsize=6, color=color)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=7)
    axes.set_yticks(range(len(classes)), classes, fontsize=7)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    plain_texts(figure)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> np.ndarray:
    """Predict, print, write."""
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options, ('model',))
    if 'encoder_checkpoint' in cfg.model:
        cfg.model.encoder_checkpoint = None
    model: Any = init_recognizer(cfg, args.checkpoint, args.device)
    loader = build_feature_dataloader(cfg, 'test')
    classes = list(loader.dataset.metainfo.get('classes', ()))
    classes += [f'class {k}' for k in range(len(classes), model.head.num_classes)]
    pairs = predict_videos(model, loader)
    matrix = confusion_matrix(pairs, len(classes))
    print(report(matrix, classes, args.top))
    out = args.out
    write_json(
        out.with_name(out.name + '.json'),
        dict(
            classes=classes, matrix=matrix.tolist(), videos={k: list(v) for k, v in pairs.items()}
        ),
    )
    draw(matrix, classes, out.with_name(out.name + '.png'))
    return matrix


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with one_line_errors():
        main()
