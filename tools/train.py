"""Train a model from a config.

Merges the command line's options into the config and nothing else: the run is the one of
``Runner.from_cfg(cfg).train()``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmpointvideo.engine import finish_launch, prepare_launch
from mmpointvideo.engine.options import (
    add_cfg_options,
    check_checkpoint,
    check_data,
    load_config,
    one_line_errors,
)

NEEDS = ('model', 'train_dataloader', 'optim_wrapper', 'train_cfg')


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder of logs and checkpoints (default: the work_dir of the config, otherwise '
        'work_dirs/NAME_OF_THE_CONFIG)',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from this checkpoint; without a value from the last one in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='forward pass in bfloat16')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torchrun and torch.distributed.launch
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    parsed = parser.parse_args(args)
    os.environ.setdefault('LOCAL_RANK', str(parsed.local_rank))
    return parsed


def merge_args(args: argparse.Namespace) -> Config:
    """The config with the command line's options."""
    cfg = load_config(args.config, args.cfg_options, NEEDS)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.amp:
        wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
        if wrapper not in ('OptimWrapper', 'AmpOptimWrapper', 'BFloat16OptimWrapper'):
            raise ValueError(
                f'--amp replaces an OptimWrapper by a BFloat16OptimWrapper, got {wrapper!r}'
            )
        if wrapper == 'OptimWrapper':
            cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    if args.resume == 'auto':
        cfg.resume = True
        cfg.load_from = None
    elif args.resume is not None:
        cfg.resume = True
        cfg.load_from = args.resume
    return cfg


def prepare(args: list[str] | None = None) -> Config:
    """What the command line asks for, checked, as the config of a run."""
    parsed = parse_args(args)
    cfg = merge_args(parsed)
    check_checkpoint(cfg.get('load_from'))
    check_checkpoint(cfg.model.get('encoder_checkpoint'))
    check_data(cfg, 'train', 'val')
    return prepare_launch(cfg, parsed.launcher)


def train(cfg: Config) -> None:
    """The run."""
    try:
        Runner.from_cfg(cfg).train()
    finally:
        finish_launch()


def main(args: list[str] | None = None) -> None:
    """Train."""
    train(prepare(args))


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with one_line_errors():
        config = prepare()
    train(config)
