"""A process that hangs ends the job, and is named."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
import time
from typing import Any

import torch.distributed as dist
from mmengine.dist import get_rank, get_world_size, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpointvideo.registry import HOOKS

#: A process whose thread has not written for so many seconds is frozen, not waiting.
_FROZEN = 5.0
#: Innermost frames of a process that waits for the others.
_WAITING = ('torch/distributed/', 'torch/autograd/graph.py', 'torch/nn/parallel/distributed.py')


@HOOKS.register_module()
class RankMonitorHook(Hook):
    """Watch the progress of every process of a job.

    Without it a job of which one process hangs (a dead file system, a deadlock) waits in its next
    collective for the backend's timeout, 30 minutes by default, and the error names the processes
    that waited. Here a thread in every process writes each second what the process is doing, into
    the store that the process group was made with. A process that makes no progress for
    ``timeout`` seconds prints what each of the processes was doing last, and which of them is not
    waiting for the others, and its own stack; then it exits with status 1, and the launcher ends
    the rest.

    One process alone is not watched.

    Args:
        timeout: Seconds; more than the longest iteration, the longest pause between two
            iterations, and the time to save a checkpoint.
    """

    priority = 'VERY_HIGH'

    def __init__(self, timeout: float = 600.0) -> None:
        if not timeout > 0:
            raise ValueError(f'timeout: expected seconds above 0, got {timeout}')
        self.timeout = timeout
        self._stop = threading.Event()
        self._doing = ('starting', 0)
        self._since = 0.0

    def before_run(self, runner: Runner) -> None:
        """Start watching."""
        if not is_distributed() or get_world_size() == 1:
            return
        self._stop.clear()
        self._progress('starting')
        threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name='rank monitor', daemon=True
        ).start()

    def after_run(self, runner: Runner) -> None:
        """Stop watching."""
        self._stop.set()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Progress."""
        self._progress(f'training iteration {runner.iter + 1}')

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Progress."""
        self._progress(f'after iteration {runner.iter + 1} (hooks, next batch)')

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Progress."""
        self._progress(f'validation batch {batch_idx}')

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Progress."""
        self._progress(f'after validation batch {batch_idx}')

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Progress."""
        self._progress(f'test batch {batch_idx}')

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Progress."""
        self._progress(f'after test batch {batch_idx}')

    def _progress(self, what: str) -> None:
        self._doing = (what, self._doing[1] + 1)
        self._since = time.monotonic()

    def _watch(self, main_thread: int) -> None:
        store = dist.PrefixStore('rank_monitor', dist.distributed_c10d._get_default_store())
        rank = get_rank()
        while not self._stop.wait(min(1.0, self.timeout / 4)):
            what, steps = self._doing
            place = _innermost(main_thread)
            row = dict(what=what, steps=steps, place=place, time=time.time())
            try:
                store.set(str(rank), json.dumps(row))
                if time.monotonic() - self._since < self.timeout:
                    continue
                rows = {r: self._read(store, r) for r in range(get_world_size())}
            except (RuntimeError, ValueError):  # the store went away with its host: the job ends
                return
            sys.stderr.write(describe_ranks(rows, rank, self.timeout) + '\n')
            sys.stderr.flush()
            faulthandler.dump_traceback(all_threads=True)
            os._exit(1)

    @staticmethod
    def _read(store: dist.Store, rank: int) -> dict | None:
        key = str(rank)
        return json.loads(store.get(key)) if store.check([key]) else None


def describe_ranks(rows: dict[int, dict | None], own: int, timeout: float) -> str:
    """What every process was doing, and which of them holds up the others.

    Args:
        rows: By rank, what it wrote last: ``what``, ``steps``, ``place`` and ``time``.
        own: The rank that tells.
        timeout: Seconds without progress.
    """
    latest = max((row['time'] for row in rows.values() if row), default=0.0)
    lines, suspects = [], []
    for rank, row in sorted(rows.items()):
        if row is None:
            state, suspicious = 'never began', True
        else:
            frozen = latest - row['time'] > _FROZEN
            waits = any(part in row['place'] for part in _WAITING)
            suspicious = frozen or not waits
            state = f'{row["what"]}, in {row["place"]}'
            if frozen:
                state += f', silent for {latest - row["time"]:.0f} s (stopped or dead)'
            elif waits:
                state += ', waiting for the others'
        if suspicious:
            suspects.append(rank)
        lines.append(f'  rank {rank}: {state}')
    named = ', '.join(f'rank {rank}' for rank in suspects) or 'no rank alone'
    head = f'rank {own}: no progress for {timeout:g} s; {named} holds up the job, which ends now:'
    return '\n'.join([head, *lines])


def _innermost(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    if frame is None:
        return 'a thread that ended'
    return f'{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}'
