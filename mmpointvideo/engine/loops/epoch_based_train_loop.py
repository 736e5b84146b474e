"""MMEngine's epoch-based training, resumable at every iteration."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.runner import EpochBasedTrainLoop as BaseEpochBasedTrainLoop
from torch import nn

from mmpointvideo.registry import LOOPS
from mmpointvideo.utils.dist import unwrap_model

_POSITION = 'data_position'


@LOOPS.register_module()
class EpochBasedTrainLoop(BaseEpochBasedTrainLoop):
    """MMEngine's ``EpochBasedTrainLoop`` whose runs can be stopped and resumed anywhere.

    * The position in the epoch goes into every checkpoint (through the message hub), counted in
      samples of all processes; a resumed run goes on there and reads no sample again.
    * All random generators of the process are seeded anew for every iteration, from the run's
      seed, the iteration and the process, so there is no hidden state to be lost. The samples'
      own random numbers come from the sampler.
    * A run that is resumed at the end of an epoch validates first, if it was to validate then:
      it may have been killed before or in the validation.

    With the config's ``compile`` it says what is compiled (``prepare_compilation``). The arguments
    are MMEngine's.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals)
        self._batch_size = self.dataloader.batch_size or 1
        if hasattr(self.dataloader.sampler, 'set_batches'):
            self.dataloader.sampler.set_batches(self._batch_size, self.dataloader.drop_last)
        if len(self.dataloader) == 0:
            raise ValueError(
                f'an epoch has no batch: {len(self.dataloader.dataset)} samples do not fill one '
                f'batch of {self._batch_size} on each of {runner.world_size} process(es); use '
                'smaller batches or drop_last=False'
            )
        self._max_iters = self._max_epochs * len(self.dataloader)
        self._batches: Iterator = iter(())

    def run(self) -> nn.Module:
        """Train."""
        position = self._resumed_position()
        if self.runner.cfg.get('compile'):
            # imported here: the models import this package
            from mmpointvideo.engine.compilation import prepare_compilation

            prepare_compilation(unwrap_model(self.runner.model), self.runner.optim_wrapper)
        self.runner.call_hook('before_train')
        if self._iter > 0 and position == 0 and self._epoch > 0:
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self._run_from(position)
            position = 0
            self._decide_current_val_interval()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train for one epoch."""
        self._run_from(0)

    def _run_from(self, position: int) -> None:
        """Train until the epoch's end.

        Args:
            position: Samples of all processes that the epoch has behind it.
        """
        runner, loader = self.runner, self.dataloader
        runner.call_hook('before_train_epoch')
        runner.model.train()
        done = position // self._global_batch_size()
        if hasattr(loader.sampler, 'set_start'):
            loader.sampler.set_start(position)
            self._batches = iter(loader)
        else:  # somebody else's sampler
            self._batches = iter(loader)
            for _ in range(done):
                next(self._batches)
        for index in range(done, len(loader)):
            _seed_everything([runner.seed, runner.rank, self._iter])
            batch = next(self._batches)
            self._store_position((index + 1) * self._global_batch_size())
            self.run_iter(index, batch)
        next(self._batches, None)  # the loader's own clearing up
        self._batches = iter(())
        self._store_position(0)
        runner.call_hook('after_train_epoch')
        self._epoch += 1

    def release_workers(self) -> None:
        """End the worker processes, for a run that ends in the middle of an epoch."""
        self._batches = iter(())
        self.dataloader._iterator = None

    def _validate(self) -> None:
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()

    def _global_batch_size(self) -> int:
        return self._batch_size * self.runner.world_size

    def _store_position(self, position: int) -> None:
        seed = int(getattr(self.dataloader.sampler, 'seed', 0))
        self.runner.message_hub.update_info(_POSITION, dict(samples=position, seed=seed))

    def _resumed_position(self) -> int:
        """Where in the epoch a resumed run goes on; its sampler gets the seed of then."""
        stored = self.runner.message_hub.runtime_info.get(_POSITION)
        if self._iter == 0 or stored is None:
            self._store_position(0)
            return 0
        if hasattr(self.dataloader.sampler, 'seed'):
            self.dataloader.sampler.seed = stored['seed']
        return stored['samples']


def _seed_everything(key: Sequence[int]) -> None:
    words = np.random.SeedSequence(key).generate_state(4)
    np.random.seed(words)
    seed = int.from_bytes(words.tobytes()[:8], 'little')
    random.seed(seed)
    torch.manual_seed(seed)  # the accelerators' generators as well
