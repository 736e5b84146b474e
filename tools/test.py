"""Test a checkpoint with the config that it was trained with."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmpointvideo.checkpoints import require_all_weights
from mmpointvideo.engine import finish_launch, prepare_launch
from mmpointvideo.engine.options import (
    add_cfg_options,
    check_checkpoint,
    check_data,
    load_config,
    one_line_errors,
    output_file,
)
from mmpointvideo.utils.atomic import write_json
from mmpointvideo.utils.dist import unwrap_model

NEEDS = ('model', 'test_dataloader', 'test_evaluator', 'test_cfg')


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description='Test a checkpoint')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint; every weight of the model must be in it')
    parser.add_argument(
        '--work-dir',
        help='folder of the log (default: the work_dir of the config, otherwise '
        'work_dirs/NAME_OF_THE_CONFIG)',
    )
    parser.add_argument('--out', type=output_file, help='write the metrics into this JSON file')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
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
    cfg.load_from = args.checkpoint
    cfg.resume = False
    return cfg


def run_test(cfg: Config, checkpoint: str) -> dict[str, float]:
    """The metrics of a checkpoint that has every weight of the model."""
    runner = Runner.from_cfg(cfg)
    model = unwrap_model(runner.model)
    require_all_weights(model, checkpoint)
    return {name: float(value) for name, value in runner.test().items()}


def main(args: list[str] | None = None) -> None:
    """Test."""
    parsed = parse_args(args)
    cfg = merge_args(parsed)
    check_checkpoint(parsed.checkpoint)
    check_data(cfg, 'test')
    cfg = prepare_launch(cfg, parsed.launcher)
    try:
        metrics = run_test(cfg, parsed.checkpoint)
        if parsed.out and is_main_process():
            write_json(parsed.out, metrics)
            print(f'metrics written to {parsed.out}')
    finally:
        finish_launch()


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with one_line_errors():
        main()
