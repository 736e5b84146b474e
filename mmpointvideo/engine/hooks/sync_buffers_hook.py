"""Batch norm statistics of several processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from mmengine.dist import is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmpointvideo.models.layers.sync_batch_norm import SyncFrameBatchNorm
from mmpointvideo.registry import HOOKS


@torch.no_grad()
def average_batch_norm(model: nn.Module) -> None:
    """Average the running statistics of every batch norm over the processes.

    Other buffers, such as the memory bank, are the same everywhere already and stay untouched;
    so do synchronised batch norms.
    """
    if not is_distributed():
        return
    buffers: list[Tensor] = []
    for module in model.modules():
        if isinstance(module, SyncFrameBatchNorm):
            continue
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            statistics = (module.running_mean, module.running_var)
            buffers += [buffer for buffer in statistics if buffer is not None]
    if not buffers:
        return
    flat = torch.cat([buffer.flatten() for buffer in buffers])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for buffer, part in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(part.view_as(buffer))


@HOOKS.register_module()
class SyncBuffersHook(Hook):
    """MMEngine's ``SyncBuffersHook`` for the buffers that need it.

    MMEngine's averages every buffer, integers and memory bank included. This one averages batch
    norm statistics after each epoch, so that one set is evaluated and saved.
    """

    priority = 'NORMAL'

    def after_train_epoch(self, runner: Runner) -> None:
        """Average."""
        average_batch_norm(runner.model)
