"""Seconds and peak memory of a training step.

Builds a config's model, optimiser and training data, takes some steps and prints for each its wall
time, the CPU time of the process, and the process's largest resident set so far::

    python tools/analysis_tools/measure_step.py CONFIG --batch-size 1 --data-root data/my_scenes

CPU time is what counts on a busy machine; profile_train.py says where it goes.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

from mmpointvideo.engine.options import (
    check_data,
    leaf_datasets,
    load_config,
    one_line_errors,
    positive_int,
)
from mmpointvideo.registry import MODELS


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a training run')
    parser.add_argument('--steps', type=positive_int, default=3)
    parser.add_argument('--batch-size', type=positive_int, help="default: the config's")
    parser.add_argument('--data-root', help="folder of the data (default: the config's)")
    parser.add_argument(
        '--threads', type=positive_int, help='CPU threads (default: as PyTorch chooses)'
    )
    return parser.parse_args(args)


def peak_mib() -> float:
    """The process's largest resident set, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(args: list[str] | None = None) -> list[dict[str, float]]:
    """Measure and print."""
    parsed = parse_args(args)
    if parsed.threads:
        torch.set_num_threads(parsed.threads)
    with one_line_errors():
        cfg = load_config(parsed.config, needs=('model', 'train_dataloader', 'optim_wrapper'))
        loading = cfg.train_dataloader
        loading.update(num_workers=0, persistent_workers=False, pin_memory=False)
        if parsed.batch_size:
            loading.batch_size = parsed.batch_size
        if parsed.data_root:
            for dataset in leaf_datasets(loading.dataset):
                dataset.data_root = parsed.data_root
        check_data(cfg, 'train')
        init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
        set_random_seed(0)
        loader = iter(Runner.build_dataloader(loading, seed=0))
    model = MODELS.build(cfg.model).train()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    million = sum(p.numel() for p in model.parameters()) / 1e6
    shape = None
    print(f'{million:.1f} million parameters, {peak_mib():.0f} MiB before the first step')
    found = []
    for step in range(parsed.steps):
        batch = next(loader)
        shape = (len(batch['inputs']), *batch['inputs'][0].shape)
        wall, cpu = time.perf_counter(), time.process_time()
        model.train_step(batch, optim_wrapper)
        found.append(
            dict(
                wall_s=time.perf_counter() - wall,
                cpu_s=time.process_time() - cpu,
                peak_mib=peak_mib(),
            )
        )
        numbers = '{wall_s:.2f} s, {cpu_s:.2f} s of CPU time, peak {peak_mib:.0f} MiB'
        print(f'step {step}, inputs {shape}: {numbers.format(**found[-1])}', flush=True)
    return found


if __name__ == '__main__':
    main()
