"""Starting a run on several processes, GPUs or not."""

from __future__ import annotations

import torch
import torch.distributed as dist
from mmengine.config import Config


def prepare_launch(cfg: Config, launcher: str) -> Config:
    """Make a config run under ``launcher``, on a machine without a GPU too.

    MMEngine expects a GPU for every process. Without one the processes (``torchrun``) talk
    through gloo, the model wrapper gets no device and BN statistics are not synchronised in the
    forward pass (``SyncBuffersHook`` averages them after each epoch). Call it just before
    ``Runner.from_cfg`` and :func:`finish_launch` at the end.

    Args:
        cfg: The run's config; it is changed in place.
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.

    Returns:
        The same config.

    Raises:
        ValueError: If there is no GPU and the launcher is neither ``'none'`` nor ``'pytorch'``.
    """
    cfg.launcher = launcher
    if launcher == 'none' or torch.cuda.is_available():
        return cfg
    if launcher != 'pytorch':
        raise ValueError(
            f'launcher={launcher!r} needs a GPU for each process and none was found: use '
            "launcher='pytorch' (tools/dist_train.sh), which also runs on CPU processes"
        )
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper
    cfg.sync_bn = None
    if not dist.is_initialized():
        dist.init_process_group('gloo')
    return cfg


def finish_launch() -> None:
    """Leave the process group, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
