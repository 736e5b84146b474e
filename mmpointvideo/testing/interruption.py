"""Killing training runs at chosen places, and comparing what became of them."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import import_modules_from_strings

from mmpointvideo.registry import HOOKS
from mmpointvideo.utils import atomic

LOSSES = 'losses.jsonl'
PLACES = ('before', 'after', 'fsync', 'replace')
#: How processes start. A forked one shares what its parent has imported, and must not be forked
#: from a parent whose threads compute.
START_METHOD = 'forkserver'


@dataclass(frozen=True)
class Kill:
    """Where a run shall end.

    Attributes:
        place: ``'before'`` or ``'after'`` the training step of iteration ``number``; or in the
            ``number``-th file that is written atomically (checkpoints, ``last_checkpoint``,
            results): ``'fsync'``, when its bytes are in the temporary file, ``'replace'``, when
            it has its name. Counted from 1.
        number: Which.
        signal: The signal; after SIGTERM the run goes on until it notices. None, at a write: no
            signal, but no space left on the disk.
    """

    place: str
    number: int
    signal: int | None = signal.SIGKILL


@HOOKS.register_module()
class LossRecorder(Hook):
    """Append every iteration's logged values, bit for bit, to ``losses.jsonl`` (of rank 0)."""

    priority = 'HIGHEST'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Append."""
        if not is_main_process():
            return
        values = {
            name: float(torch.as_tensor(value).detach()).hex()
            for name, value in (outputs or {}).items()
        }
        row = dict(iter=runner.iter + 1, batch=batch_idx, **values)
        path = Path(runner.work_dir) / LOSSES
        with open(path, 'a', encoding='utf-8') as file:
            file.write(json.dumps(row) + '\n')


class _KillAtIteration(Hook):
    """Sends this process a signal before or after a training step."""

    priority = 'VERY_HIGH'

    def __init__(self, kill: Kill) -> None:
        self.kill = kill

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Die before the step, with the batch loaded."""
        self._strike('before', runner.iter + 1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Die after the optimiser's step, before bank and checkpoint."""
        self._strike('after', runner.iter + 1)

    def _strike(self, place: str, iteration: int) -> None:
        if (place, iteration) == (self.kill.place, self.kill.number) and self.kill.signal:
            os.kill(os.getpid(), self.kill.signal)


def _strike_at_write(kill: Kill) -> None:
    """Let the n-th atomic write of this process die in the middle."""
    real: Callable = getattr(os, kill.place)
    seen = 0

    def call(*args: Any) -> None:
        nonlocal seen
        seen += 1
        if kill.place == 'replace':
            real(*args)
        if seen == kill.number:
            if kill.signal is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.kill(os.getpid(), kill.signal)
        if kill.place == 'fsync':
            real(*args)

    atomic.os = _Os(kill.place, call)  # type: ignore[assignment]


class _Os:
    """The module ``os`` with one function replaced."""

    def __init__(self, name: str, function: Callable) -> None:
        setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def train(cfg: Config, kill: Kill | None = None) -> None:
    """Train in this process, recording losses; it may not return."""
    if cfg.get('custom_imports'):
        import_modules_from_strings(**cfg.custom_imports)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(LossRecorder())
    if kill is not None and kill.place in ('before', 'after'):
        runner.register_hook(_KillAtIteration(kill))
    elif kill is not None:
        _strike_at_write(kill)
    runner.train()


def train_in_process(cfg: Config, kill: Kill | None = None, timeout: float = 900.0) -> int:
    """Train in a process of its own.

    The processes are forked from a server that has imported everything, which takes no time;
    nothing of this process' state reaches them.

    Args:
        cfg: The run's config.
        kill: Where it shall end.
        timeout: Seconds.

    Returns:
        Its exit status; minus the signal's number if one killed it.

    Raises:
        TimeoutError: If it did not end in time.
    """
    if START_METHOD == 'forkserver':
        preload = [__name__, 'mmpointvideo.engine.hooks', 'mmpointvideo.models']
        multiprocessing.get_context('forkserver').set_forkserver_preload(preload)
    context: Any = multiprocessing.get_context(START_METHOD)
    process = context.Process(target=train, args=(cfg, kill), daemon=False)
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f'the run in {cfg.work_dir} did not end within {timeout:g} s')
    return process.exitcode


def recorded_losses(work_dir: str | Path) -> dict[int, dict]:
    """What was logged, by iteration.

    Raises:
        ValueError: If an iteration that was trained twice gave different values.
    """
    rows: dict[int, dict] = {}
    for line in (Path(work_dir) / LOSSES).read_text(encoding='utf-8').splitlines():
        row = json.loads(line)
        before = rows.setdefault(row['iter'], row)
        if before != row:
            raise ValueError(f'{work_dir}: iteration {row["iter"]}: {before} and then {row}')
    return rows


def last_checkpoint(work_dir: str | Path) -> dict:
    """The checkpoint that ``--resume`` would take."""
    path = (Path(work_dir) / 'last_checkpoint').read_text(encoding='utf-8')
    return CheckpointLoader.load_checkpoint(path, map_location='cpu')


def differences(expected: str | Path, got: str | Path) -> list[str]:
    """What differs between two finished runs, bit for bit: losses, weights, bank, optimiser.

    Args:
        expected: Work dir of the run that was left alone.
        got: Work dir of the other.

    Returns:
        One line for each difference; none if the runs are equal.
    """
    found = []
    try:
        first, second = recorded_losses(expected), recorded_losses(got)
        found += [
            f'iteration {n}: {first.get(n)} and {second.get(n)}'
            for n in sorted(first.keys() | second.keys())
            if first.get(n) != second.get(n)
        ]
    except ValueError as error:
        found.append(str(error))
    one, two = last_checkpoint(expected), last_checkpoint(got)
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        found += _compare(one.get(part), two.get(part), part)
    return found + _compare(one['meta']['iter'], two['meta']['iter'], 'iter')


def _compare(one: Any, two: Any, name: str) -> list[str]:
    if isinstance(one, dict) and isinstance(two, dict):
        if one.keys() != two.keys():
            return [f'{name}: {sorted(map(str, one.keys() ^ two.keys()))} on one side only']
        return [line for key in one for line in _compare(one[key], two[key], f'{name}.{key}')]
    if isinstance(one, list | tuple) and isinstance(two, list | tuple) and len(one) == len(two):
        pairs = enumerate(zip(one, two, strict=True))
        return [line for i, (a, b) in pairs for line in _compare(a, b, f'{name}[{i}]')]
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        return [] if torch.equal(one, two) else [f'{name}: tensors differ']
    return [] if one == two else [f'{name}: {one!r} and {two!r}']
