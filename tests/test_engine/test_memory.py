"""A long run takes no more memory, descriptors and threads at its end than after its beginning."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpointvideo.registry import HOOKS
from mmpointvideo.testing.interruption import train_in_process
from mmpointvideo.testing.runs import tiny_pretraining

#: Growth allowed for, in MiB: the log history takes about 0.4 KiB an iteration.
SLACK = 8.0


@HOOKS.register_module(force=True)
class ResourceRecorder(Hook):
    """Writes what this process holds, every so many iterations."""

    priority = 'LOWEST'

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.rows: list[dict[str, float]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if (runner.iter + 1) % self.interval == 0:
            self.rows.append(dict(iter=runner.iter + 1, **held()))

    def after_train(self, runner: Runner) -> None:
        Path(runner.work_dir, 'resources.json').write_text(json.dumps(self.rows))


def held() -> dict[str, float]:
    """Resident MiB, descriptors and threads of this process."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return dict(
        mib=pages * os.sysconf('SC_PAGE_SIZE') / 2**20,
        descriptors=len(os.listdir('/proc/self/fd')),
        threads=threading.active_count(),
    )


def long_run(tmp_path: Path, iterations: int) -> Config:
    """20 iterations an epoch; workers start anew and a checkpoint is written in each."""
    cfg = tiny_pretraining(tmp_path / 'run', tmp_path / 'data')
    loader = cfg.train_dataloader
    loader.num_workers = 1
    loader.dataset = dict(type='RepeatDataset', times=5, dataset=loader.dataset)
    cfg.train_cfg.max_epochs = iterations // 20
    cfg.custom_hooks.append(dict(type='ResourceRecorder', interval=20))
    cfg.custom_imports = dict(imports=[__name__])
    return cfg


@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='needs /proc')
def test_nothing_grows(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    iterations = pytestconfig.getoption('--memory-iterations')
    assert train_in_process(long_run(tmp_path, iterations), timeout=3600) == 0
    rows = json.loads((tmp_path / 'run' / 'resources.json').read_text())
    assert rows[-1]['iter'] == iterations
    first, last = rows[len(rows) // 3], rows[-1]
    print(f'after {first["iter"]} iterations {first}, after {last["iter"]} {last}')
    assert last['mib'] - first['mib'] < SLACK
    assert last['descriptors'] == first['descriptors']
    assert last['threads'] == first['threads']
