"""k-NN accuracy of an encoder's frozen features.

The config is one of a downstream task (its data, encoder and pooling are used, its head is
not); the encoder's weights come from the checkpoint of any model that has the same encoder.
"""

from __future__ import annotations

import argparse
import os

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
from mmpointvideo.evaluation import knn_video_accuracy
from mmpointvideo.utils.atomic import write_json


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description='k-NN accuracy of frozen features')
    parser.add_argument('config', help='config of a downstream task, such as a linear probe')
    parser.add_argument('checkpoint', help="checkpoint with an encoder, or 'random'")
    parser.add_argument('--k', type=positive_int, default=20, help='number of neighbours')
    parser.add_argument('--temperature', type=positive_float, default=0.07)
    parser.add_argument('--prefix', default='encoder.', help="the encoder's name in the checkpoint")
    parser.add_argument('--seed', type=non_negative_int, default=0, help='of the random encoder')
    parser.add_argument(
        '--calibration-batches',
        type=non_negative_int,
        default=16,
        help='training batches that the BN statistics of a random encoder are measured on; 0: none',
    )
    parser.add_argument(
        '--device', type=device_name, help='cpu, cuda, ... (default: a GPU where there is one)'
    )
    parser.add_argument('--out', type=output_file, help='write the result into this JSON file')
    add_cfg_options(parser)
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> dict[str, float]:
    """Evaluate."""
    parsed = parse_args(args)
    cfg = load_config(parsed.config, parsed.cfg_options, ('model',))
    model = init_feature_model(
        cfg,
        parsed.checkpoint,
        parsed.prefix,
        parsed.seed,
        parsed.calibration_batches,
        parsed.device,
    )
    found = {}
    for split in ('train', 'test'):
        print(f'features of the {split} clips')
        found[split] = extract_features(model, build_feature_dataloader(cfg, split))
        check_labels(found[split], 'k-NN accuracy')
    result = knn_video_accuracy(
        found['train'],
        found['test'],
        num_classes=model.head.num_classes,
        k=parsed.k,
        temperature=parsed.temperature,
    )
    for name, value in result.items():
        print(f'{name}: {value:.2f} %')
    if parsed.out:
        write_json(parsed.out, {**result, 'k': parsed.k, 'temperature': parsed.temperature})
    return result


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with one_line_errors():
        main()
