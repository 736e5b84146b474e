"""Starting a run on several processes, GPUs or not."""

from __future__ import annotations

import gc

import torch
import torch.distributed as dist
from mmengine.config import Config


def prepare_launch(cfg: Config, launcher: str) -> Config:
    """Make a config run under ``launcher``, on a machine without a GPU too.

    MMEngine expects a GPU for every process. Without one the processes (``torchrun``) talk
    through gloo and the model wrapper gets no device. A config with ``sync_bn`` gets the
    toolbox's own synchronised batch norm (``SyncFrameBatchNorm``), with GPUs as well; one without
    it averages the statistics after each epoch (``SyncBuffersHook``). Call it just before
    ``Runner.from_cfg`` and :func:`finish_launch` at the end.

    Args:
        cfg: The run's config; it is changed in place.
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.

    Returns:
        The same config.

    Raises:
        ValueError: If there is no GPU and the launcher is neither ``'none'`` nor ``'pytorch'``,
            or ``sync_bn`` comes with a model wrapper of its own.
    """
    cfg.launcher = launcher
    if launcher == 'none':
        return cfg
    if cfg.get('sync_bn'):
        _use_sync_bn(cfg)
    if torch.cuda.is_available():
        return cfg
    if launcher != 'pytorch':
        raise ValueError(
            f'launcher={launcher!r} needs a GPU for each process and none was found: use '
            "launcher='pytorch' (tools/dist_train.sh), which also runs on CPU processes"
        )
    wrapper = cfg.get('model_wrapper_cfg') or _wrapper(cfg, 'MMDistributedDataParallel')
    wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper
    if not dist.is_initialized():
        dist.init_process_group('gloo')
    return cfg


def _wrapper(cfg: Config, kind: str) -> dict:
    return dict(
        type=kind,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )


def _use_sync_bn(cfg: Config) -> None:
    """Let the model wrapper replace the batch norms, in MMEngine's place."""
    if cfg.get('model_wrapper_cfg'):
        raise ValueError(
            f'sync_bn={cfg.sync_bn!r} chooses the model wrapper and the config has a '
            'model_wrapper_cfg: give that the type mmpointvideo.SyncBNDistributedDataParallel and '
            'sync_bn out'
        )
    cfg.model_wrapper_cfg = _wrapper(cfg, 'mmpointvideo.SyncBNDistributedDataParallel')
    cfg.sync_bn = None


def finish_launch() -> None:
    """Leave the process group, if there is one, and end its threads.

    Call it when the runner is out of reach: a model wrapper keeps the group alive, and gloo's
    threads, when they outlive the group's last user, can abort the interpreter while it shuts
    down.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # a runner and its hooks refer to each other
