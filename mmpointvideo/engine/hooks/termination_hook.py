"""SIGTERM: save and leave."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpointvideo.engine.loops import EpochBasedTrainLoop
from mmpointvideo.registry import HOOKS

from .checkpoint_hook import average_before_saving, write_last_checkpoint

FILE = 'interrupted.pth'
_AGAIN = 30.0


@HOOKS.register_module()
class TerminationHook(Hook):
    """Write a checkpoint when the job is told to stop, and exit with status 0.

    Slurm and most schedulers send SIGTERM some time before they kill a job. The iteration that
    runs is finished (with gradient accumulation: until the optimiser's next step), then
    ``interrupted.pth`` is written into the work dir, ``last_checkpoint`` names it, and the next
    start with ``--resume`` goes on exactly there. On several processes one of them has to
    receive the signal; all leave at the same iteration, and a validation that has begun is
    finished first, as they may have different numbers of batches. SIGTERM again, after half a
    minute, ends a process at once.

    Args:
        interval: Iterations between two looks at the signal, which cost a small all-reduce each
            on several processes.
    """

    priority = 'LOWEST'

    def __init__(self, interval: int = 1) -> None:
        if interval < 1:
            raise ValueError(f'interval: expected at least 1, got {interval}')
        self.interval = interval
        self.received = False
        self._before: Any = None
        self._installed = False
        self._since = 0.0

    def before_train(self, runner: Runner) -> None:
        """Take over the signal, here and in worker processes."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.logger.warning(
                "TerminationHook: with train_cfg.type='EpochBasedTrainLoop' of mmpointvideo a run "
                f'goes on where it stopped, with {type(runner.train_loop).__name__} at the '
                'beginning of the epoch'
            )
        self.received = False
        try:
            self._before = signal.signal(signal.SIGTERM, self._receive)
        except ValueError:  # not the main thread: whoever runs this deals with signals
            return
        self._installed = True
        loops = [runner.train_loop]
        if runner._val_loop is not None:
            loops.append(runner.val_loop)
        for loop in loops:
            loader = loop.dataloader
            if loader.num_workers:
                loader.worker_init_fn = functools.partial(_init_worker, loader.worker_init_fn)

    def _receive(self, signum: int, frame: Any) -> None:
        now = time.monotonic()
        if not self.received:
            self.received, self._since = True, now
        elif now - self._since > _AGAIN:  # sooner it is the launcher that passes the signal on
            self._give_back()
            os.kill(os.getpid(), signum)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Leave, if told to."""
        if (runner.iter + 1) % self.interval == 0 and runner.optim_wrapper.should_update():
            self._leave_if_told(runner, dict(epoch=runner.epoch, iter=runner.iter + 1))

    def before_val_epoch(self, runner: Runner) -> None:
        """Leave, if told to; the resumed run validates then."""
        if self._installed:
            self._leave_if_told(runner, dict(epoch=runner.epoch, iter=runner.iter))

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: Any = None,
    ) -> None:
        """Leave, if told to and alone; the resumed run validates again."""
        alone = get_world_size() == 1
        if self._installed and alone and (batch_idx + 1) % self.interval == 0:
            self._leave_if_told(runner, dict(epoch=runner.epoch, iter=runner.iter))

    def after_train(self, runner: Runner) -> None:
        """Give the signal back; a finished run needs no ``interrupted.pth``."""
        self._give_back()
        if is_main_process():
            Path(runner.work_dir, FILE).unlink(missing_ok=True)

    def _give_back(self) -> None:
        if self._installed:
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)
            self._installed = False

    def _leave_if_told(self, runner: Runner, meta: dict) -> None:
        told = torch.tensor(int(self.received))
        all_reduce(told, op='max')
        if not told:
            return
        average_before_saving(runner)
        runner.save_checkpoint(
            runner.work_dir, FILE, meta=meta, backend_args=dict(backend='atomic_local')
        )
        if is_main_process():
            write_last_checkpoint(runner, os.path.join(runner.work_dir, FILE))
        runner.logger.info(
            f'SIGTERM: saved {FILE} after iteration {meta["iter"]}; start again with --resume'
        )
        self._give_back()
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.train_loop.release_workers()
        raise SystemExit(0)


def _init_worker(function: Callable[[int], Any] | None, worker_id: int) -> None:
    """A worker's start: only its own process may end it by SIGTERM.

    Schedulers send the signal to workers too, while their main process still needs them; a
    handler of Python's cannot tell who sent it, a thread that waits for it can.
    """
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if function is not None:
        function(worker_id)


def _end_with_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
