"""Choose settings on training videos: every subject is left out once.

    python tools/analysis_tools/leave_one_out.py CONFIG CHECKPOINT

The encoder is frozen. For every subject of the training split, a linear probe (logistic
regression on standardised features) and k-NN learn from the clips of the other training subjects
and classify the videos of this one. No test video is read. CONFIG is one of a downstream task;
CHECKPOINT that of any model with the same encoder, or 'random'.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmpointvideo.apis import (
    build_feature_dataloader,
    check_labels,
    extract_features,
    init_feature_model,
)
from mmpointvideo.engine.options import (
    add_cfg_options,
    device_name,
    load_config,
    non_negative_int,
    one_line_errors,
    output_file,
    positive_float,
    positive_int,
)
from mmpointvideo.evaluation import knn_classify, leave_one_group_out
from mmpointvideo.utils.atomic import write_json
from mmpointvideo.visualization.export import require


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a downstream task, such as a linear probe')
    parser.add_argument('checkpoint', help="checkpoint with an encoder, or 'random'")
    parser.add_argument('--field', default='subject', help='what is left out (default: subject)')
    parser.add_argument('--k', type=positive_int, default=20, help='number of neighbours of k-NN')
    parser.add_argument('--temperature', type=positive_float, default=0.07, help='of k-NN')
    parser.add_argument(
        '--regularization',
        type=positive_float,
        default=0.1,
        help="the probe's C: smaller is stronger (default 0.1)",
    )
    parser.add_argument('--prefix', default='encoder.', help="the encoder's name in the checkpoint")
    parser.add_argument('--seed', type=non_negative_int, default=0, help='of the random encoder')
    parser.add_argument(
        '--device', type=device_name, help='cpu, cuda, ... (default: a GPU where there is one)'
    )
    parser.add_argument('--out', type=output_file, help='write the result into this JSON file')
    add_cfg_options(parser)
    return parser.parse_args(args)


def linear_probe(
    features: Tensor, labels: Tensor, queries: Tensor, num_classes: int, c: float
) -> Tensor:
    """Class probabilities by logistic regression on standardised features.

    Args:
        features: ``(n, d)``.
        labels: ``(n,)`` int64.
        queries: ``(m, d)``.
        num_classes: Number of classes.
        c: Inverse strength of the regularisation.

    Returns:
        ``(m, num_classes)`` float64; 0 for classes that no label has.
    """
    linear_model = require('sklearn.linear_model', 'linear probes')
    preprocessing = require('sklearn.preprocessing', 'linear probes')
    scaler = preprocessing.StandardScaler().fit(features.numpy())
    probe = linear_model.LogisticRegression(C=c, max_iter=2000)
    probe.fit(scaler.transform(features.numpy()), labels.numpy())
    scores = torch.zeros(len(queries), num_classes, dtype=torch.float64)
    found = probe.predict_proba(scaler.transform(queries.numpy()))
    scores[:, torch.from_numpy(probe.classes_)] = torch.from_numpy(found).double()
    return scores


def main(args: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """Evaluate, print a table and return it."""
    parsed = parse_args(args)
    cfg = load_config(parsed.config, parsed.cfg_options, ('model',))
    loader: Any = build_feature_dataloader(cfg, 'train')
    if not hasattr(loader.dataset, 'get_clip_field'):
        raise ValueError(
            'expected a PointVideoDataset in train_dataloader, got '
            f'{type(loader.dataset).__name__}, which does not say which video a clip is of'
        )
    try:
        groups = loader.dataset.get_clip_field(parsed.field)
    except ValueError as error:
        raise ValueError(f'--field {parsed.field}: {error}') from None
    model: Any = init_feature_model(
        cfg, parsed.checkpoint, parsed.prefix, parsed.seed, device=parsed.device
    )
    found = extract_features(model, loader)
    check_labels(found, 'leaving one out')
    classes = model.head.num_classes

    def probe(features: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
        return linear_probe(features, labels, queries, classes, parsed.regularization)

    def knn(features: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
        return knn_classify(features, labels, queries, classes, parsed.k, parsed.temperature)

    by_probe = leave_one_group_out(found, groups, probe)
    by_knn = leave_one_group_out(found, groups, knn)
    counts = {str(name): (by_probe[name][0], by_knn[name][0], by_knn[name][1]) for name in by_knn}
    counts['all'] = tuple(map(sum, zip(*counts.values(), strict=True)))  # type: ignore[assignment]
    result = {
        name: {'videos': videos, 'linear probe': 100 * right / videos, 'k-NN': 100 * near / videos}
        for name, (right, near, videos) in counts.items()
    }
    print(f'{parsed.field:>12}  videos  linear probe      k-NN')
    for name, row in result.items():
        print(
            f'{name:>12}  {row["videos"]:>6}  {row["linear probe"]:>10.2f} %  {row["k-NN"]:>6.2f} %'
        )
    if parsed.out:
        write_json(parsed.out, {**result, 'field': parsed.field, 'k': parsed.k})
    return result


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with one_line_errors():
        main()
