"""Batch norm statistics of an encoder that was never trained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from mmpointvideo.registry import HOOKS
from mmpointvideo.utils.dist import unwrap_model

from .sync_buffers_hook import average_batch_norm


@torch.no_grad()
def calibrate_batch_norm(model: BaseModel, batches: Iterable[dict], num_batches: int) -> int:
    """Measure the running statistics of ``model.encoder`` on some batches; no weight changes.

    They become the mean over the batches, whatever they were before and whatever the layers'
    momentum.

    Args:
        model: A model with an ``encoder`` and a data preprocessor.
        batches: Packed batches as a dataloader gives them.
        num_batches: How many to use; with 0 the statistics stay as they are.

    Returns:
        How many batches there were.
    """
    encoder: Any = model.encoder
    norms = [norm for norm in encoder.modules() if isinstance(norm, _BatchNorm)]
    before = [norm.momentum for norm in norms]
    was_training = encoder.training
    encoder.train()
    seen = 0
    try:
        for batch in islice(batches, num_batches):
            inputs = model.data_preprocessor(batch, False)['inputs']
            if seen == 0:
                for norm in norms:
                    norm.reset_running_stats()
                    norm.momentum = None  # the mean of all batches
            encoder(inputs['xyz'], inputs.get('features'))
            seen += 1
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        encoder.train(was_training)
    return seen


@HOOKS.register_module()
class CalibrateBatchNormHook(Hook):
    """Measure a random encoder's batch norm statistics on the training data before training.

    A randomly initialised encoder in eval mode normalises with mean 0 and variance 1, which are
    nobody's statistics: layer by layer its features vanish or explode. As the baseline of a linear
    probe it is worth more when its statistics fit the data. A resumed run has them already.
    Several processes measure on batches of their own and average.

    Args:
        num_batches: Batches of the training dataloader to measure on, on each process.
    """

    priority = 'VERY_HIGH'

    def __init__(self, num_batches: int = 16) -> None:
        if num_batches < 1:
            raise ValueError(f'num_batches must be >= 1, got {num_batches}')
        self.num_batches = num_batches

    def before_train(self, runner: Runner) -> None:
        """Measure, once per run."""
        if runner.iter > 0:
            return
        model = unwrap_model(runner.model)
        seen = calibrate_batch_norm(model, runner.train_dataloader, self.num_batches)
        average_batch_norm(model)
        runner.logger.info(f'batch norm statistics of the encoder measured on {seen} batches')
