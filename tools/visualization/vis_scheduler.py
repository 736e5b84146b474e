"""Draw the learning rate (or momentum) that a config's schedulers give, without training.

python tools/visualization/vis_scheduler.py CONFIG [--epoch-length 51]
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, OPTIMIZERS, PARAM_SCHEDULERS, init_default_scope

from mmpointvideo.engine.options import (
    add_cfg_options,
    load_config,
    one_line_errors,
    positive_int,
)
from mmpointvideo.utils.atomic import atomic_write
from mmpointvideo.visualization.render import plain_texts


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', type=Path, help='config file')
    parser.add_argument('--parameter', choices=['lr', 'momentum'], default='lr')
    parser.add_argument(
        '--epoch-length',
        type=positive_int,
        help='iterations of an epoch (default: from the data set)',
    )
    parser.add_argument('--out', type=Path, help='default work_dirs/vis_scheduler/CONFIG.png')
    add_cfg_options(parser)
    return parser.parse_args(args)


def epoch_length(cfg: Config) -> int:
    """Iterations of an epoch, from the length of the training data set.

    Raises:
        FileNotFoundError: If the data set is not there.
    """
    loader = cfg.train_dataloader
    try:
        size = len(DATASETS.build(loader.dataset))
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{error}; or give --epoch-length') from None
    batch = loader.batch_size
    return size // batch if loader.get('drop_last') else -(-size // batch)


def simulate(cfg: Config, length: int, parameter: str = 'lr') -> np.ndarray:
    """The values at every iteration of the training.

    Args:
        cfg: A config with ``optim_wrapper``, ``param_scheduler`` and ``train_cfg``.
        length: Iterations of an epoch.
        parameter: ``'lr'`` or ``'momentum'``.

    Returns:
        ``(iterations,)``.

    Raises:
        ValueError: If the config trains by other means, or the optimiser has no momentum.
    """
    epochs = cfg.get('train_cfg', {}).get('max_epochs')
    if not epochs or not cfg.get('optim_wrapper'):
        raise ValueError('expected a config with train_cfg.max_epochs and an optim_wrapper')
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer: Any = OPTIMIZERS.build(
        copy.deepcopy(cfg.optim_wrapper.optimizer), default_args=dict(params=[weight])
    )
    schedulers = []
    for config in copy.deepcopy(cfg.get('param_scheduler') or []):
        kind: Any = PARAM_SCHEDULERS.get(config.pop('type'))
        if config.pop('convert_to_iter_based', False):
            scheduler = kind.build_iter_from_epoch(optimizer, epoch_length=length, **config)
        else:
            scheduler = kind(optimizer, **config)
        schedulers.append(scheduler)
    group = optimizer.param_groups[0]
    if parameter not in group and 'betas' not in group:
        raise ValueError(f'{type(optimizer).__name__} has no {parameter}')
    values = []
    for iteration in range(epochs * length):
        values.append(group[parameter] if parameter in group else group['betas'][0])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % length == 0:
                scheduler.step()
    return np.array(values, np.float64)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Draw, and return the picture's path."""
    from matplotlib.figure import Figure

    args = parse_args(arguments)
    needs = ('optim_wrapper', 'train_cfg', *(() if args.epoch_length else ('train_dataloader',)))
    cfg = load_config(args.config, args.cfg_options, needs)
    init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
    length = args.epoch_length or epoch_length(cfg)
    values = simulate(cfg, length, args.parameter)
    figure = Figure(figsize=(6.5, 3.4), layout='constrained')
    ax = figure.subplots()
    ax.plot(np.arange(len(values)) / length, values, color='#0072b2')
    name = 'learning rate' if args.parameter == 'lr' else 'momentum'
    ax.set(
        xlabel=f'epoch ({length} iterations)', ylabel=name, ylim=(0, None), title=args.config.stem
    )
    ax.title.set_fontsize(8)
    plain_texts(figure)
    out = args.out or Path('work_dirs', 'vis_scheduler', f'{args.config.stem}.png')
    with atomic_write(out) as file:
        figure.savefig(file, format='png', dpi=100)
    print(
        f'{name}: first {values[0]:.3g}, largest {values.max():.3g}, last {values[-1]:.3g}: {out}'
    )
    return out


if __name__ == '__main__':
    with one_line_errors():
        main()
