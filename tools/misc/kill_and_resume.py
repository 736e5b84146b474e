"""Kill a training run at random places, resume it, and compare it with one left alone.

Every trial trains in a new work dir, is killed with SIGKILL at a place drawn at random (before
or after the step of some iteration, or in the middle of writing a checkpoint), and is resumed
from its last checkpoint until it is finished. Losses, weights, memory bank, optimiser and
schedules must then equal, bit for bit, those of the run that nobody killed.
"""

from __future__ import annotations

import argparse
import copy
import random
import signal
import sys
import tempfile
import uuid
from pathlib import Path

from mmengine.config import Config

from mmpointvideo.engine.options import (
    add_cfg_options,
    load_config,
    merge_options,
    non_negative_int,
    one_line_errors,
    positive_int,
)
from mmpointvideo.testing.interruption import (
    PLACES,
    Kill,
    differences,
    last_checkpoint,
    train_in_process,
)
from mmpointvideo.testing.runs import tiny_pretraining


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'config', nargs='?', help='config file (default: a pre-training of a few seconds)'
    )
    parser.add_argument('--times', type=positive_int, default=20, help='number of kills')
    parser.add_argument('--seed', type=non_negative_int, default=0, help='of the places')
    parser.add_argument('--workers', type=non_negative_int, help='data workers of every run')
    parser.add_argument('--work-dir', help='folder of the runs (default: one that is removed)')
    add_cfg_options(parser)
    return parser.parse_args(args)


def make_config(args: argparse.Namespace, folder: Path) -> Config:
    """The config of all runs; checkpoints every two iterations."""
    if args.config:
        cfg = load_config(args.config, args.cfg_options)
    else:
        cfg = tiny_pretraining(folder / 'none', folder / 'data')
        merge_options(cfg, args.cfg_options)
    if args.workers is not None:
        cfg.train_dataloader.num_workers = args.workers
        cfg.train_dataloader.persistent_workers = args.workers > 0
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=2
    )
    return cfg


def named(cfg: Config, work_dir: Path) -> Config:
    """A copy for one run."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = uuid.uuid4().hex
    cfg.resume = True
    return cfg


def main(args: list[str] | None = None) -> int:
    """Kill, resume, compare; 0 if everything is equal."""
    options = parse_args(args)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.work_dir or temporary).resolve()
        with one_line_errors():
            cfg = make_config(options, folder)
        if train_in_process(named(cfg, folder / 'whole')) != 0:
            print('the run that was to be left alone failed', file=sys.stderr)
            return 2
        iterations = last_checkpoint(folder / 'whole')['meta']['iter']
        drawn = random.Random(options.seed)
        unequal = 0
        for trial in range(options.times):
            place = PLACES[trial % len(PLACES)]
            # a checkpoint is two files: itself and last_checkpoint
            most = iterations if place in ('before', 'after') else iterations // 2 * 2
            kill = Kill(place, drawn.randint(1, most))
            work_dir = folder / f'trial_{trial:02d}'
            status = train_in_process(named(cfg, work_dir), kill)
            if status == -signal.SIGKILL:
                status = train_in_process(named(cfg, work_dir))
            found = [f'exit status {status}'] if status else differences(folder / 'whole', work_dir)
            unequal += bool(found)
            verdict = 'equal' if not found else f'DIFFERENT: {"; ".join(found[:3])}'
            print(f'{trial + 1:3d}  killed at {kill.place} {kill.number:3d}: {verdict}', flush=True)
        print(
            f'{options.times} kills of a run of {iterations} iterations: '
            f'{options.times - unequal} equal, {unequal} different'
        )
        return int(unequal > 0)


if __name__ == '__main__':
    sys.exit(main())
