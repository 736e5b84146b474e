"""Saving checkpoints."""

from __future__ import annotations

import inspect
import os
from collections import deque
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as BaseCheckpointHook
from mmengine.runner import Runner
from torch.distributed.fsdp import FullyShardedDataParallel

from mmpointvideo.checkpoints import require_all_weights
from mmpointvideo.engine import atomic_backend  # noqa: F401  (registers 'atomic_local')
from mmpointvideo.registry import HOOKS
from mmpointvideo.utils.atomic import atomic_write
from mmpointvideo.utils.dist import unwrap_model

from .sync_buffers_hook import average_batch_norm


def write_last_checkpoint(runner: Runner, path: str) -> None:
    """Say which checkpoint ``--resume`` takes; the file is never seen half written.

    Args:
        runner: The runner.
        path: The checkpoint.
    """
    with atomic_write(os.path.join(runner.work_dir, 'last_checkpoint'), 'w') as file:
        file.write(path)


def average_before_saving(runner: Runner) -> None:
    """Give all processes the buffers that the checkpoint will hold; called by all of them."""
    average_batch_norm(runner.model)


@HOOKS.register_module()
class CheckpointHook(BaseCheckpointHook):
    """MMEngine's ``CheckpointHook``; every checkpoint is written aside and renamed.

    A run that is killed while it saves can therefore always be resumed: ``last_checkpoint`` is
    written in the same way, and outdated checkpoints are removed afterwards. ``by_epoch=False``
    with an ``interval`` saves every so many iterations; a run resumed from any of them ends as
    the uninterrupted one would. A run is not resumed from a checkpoint of another model.

    Args:
        interval: Save every so many epochs (or iterations).
        backend_args: File backend of the checkpoints; by default local files, atomically.
        max_keep_ckpts: Number of checkpoints kept, -1 for all.
        **kwargs: The other arguments of MMEngine's ``CheckpointHook``.

    Raises:
        TypeError: If an argument is unknown (MMEngine's hook would fail at the first save).
    """

    keep_ckpt_ids: deque

    def __init__(
        self,
        interval: int = -1,
        backend_args: dict | None = None,
        max_keep_ckpts: int = -1,
        **kwargs: Any,
    ) -> None:
        known = set(inspect.signature(BaseCheckpointHook).parameters) - {'kwargs'}
        if unknown := sorted(set(kwargs) - known):
            raise TypeError(f'CheckpointHook does not know {unknown}; it knows {sorted(known)}')
        if backend_args is None:
            backend_args = dict(backend='atomic_local')
        super().__init__(
            interval=interval, backend_args=backend_args, max_keep_ckpts=max_keep_ckpts, **kwargs
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights of a run that is resumed (not of a sharded model, which has parts).

        Raises:
            ValueError: If the checkpoint is not one of the run's model.
        """
        if runner._resume and not isinstance(runner.model, FullyShardedDataParallel):
            model = unwrap_model(runner.model)
            require_all_weights(model, checkpoint)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save and say which checkpoint is the last; all processes call this."""
        average_before_saving(runner)
        if not _steps_are_whole(runner):
            runner.logger.warning(
                'this checkpoint lies between two steps of the optimiser (gradient accumulation): '
                'the gradients so far are not in it, and a run resumed from it is not exactly the '
                'uninterrupted one. Save at multiples of accumulative_counts'
            )
        kept = list(self.keep_ckpt_ids) if self.max_keep_ckpts > 0 else []
        if self.max_keep_ckpts > 0:
            kept += [] if step in kept else [step]
            runner.message_hub.update_info('keep_ckpt_ids', list(kept))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            write_last_checkpoint(runner, self.last_ckpt)
        while len(kept) > self.max_keep_ckpts > 0:
            self._remove(kept.pop(0))
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', list(kept))

    def _remove(self, step: int) -> None:
        path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        if is_main_process() and self.file_backend.isfile(path):
            self.file_backend.remove(path)


def _steps_are_whole(runner: Runner) -> bool:
    """Whether no gradients wait for the optimiser's next step."""
    return getattr(runner.optim_wrapper, 'should_update', lambda: True)()
