"""Updates of the memory bank."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmpointvideo.registry import HOOKS
from mmpointvideo.utils.dist import unwrap_model


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Store a batch's targets after the optimiser's step.

    The current batch is therefore never its own negative; with gradient accumulation it is all
    batches of a step that are stored together. The model says how (``update_memory()``); a model
    without a memory is an error of the config.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Check that there is something to update, and that neighbours will be used."""
        model = unwrap_model(runner.model)
        if getattr(model, 'memory_bank', None) is None:
            raise ValueError(
                f'MemoryBankHook expects a model with a memory_bank, got {type(model).__name__} '
                'without one: give the model a memory_bank or take the hook out of custom_hooks'
            )
        start = getattr(getattr(model, 'contrast_head', None), 'neighbor_start_epoch', 0)
        if start > 0 and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                f'contrast_head.neighbor_start_epoch={start} expects a loop that counts epochs; '
                f'in {type(runner.train_loop).__name__} no neighbour would ever be used: set it to '
                '0 or train by epochs'
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Store what was encoded, if the optimiser made its step."""
        if runner.optim_wrapper.should_update():
            unwrap_model(runner.model).update_memory()
