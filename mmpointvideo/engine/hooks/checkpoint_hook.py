"""Saving checkpoints."""

from __future__ import annotations

import inspect
from typing import Any

from mmengine.hooks import CheckpointHook as BaseCheckpointHook

from mmpointvideo.engine import atomic_backend  # noqa: F401  (registers 'atomic_local')
from mmpointvideo.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(BaseCheckpointHook):
    """MMEngine's ``CheckpointHook``; every checkpoint is written aside and renamed.

    A run that is killed while it saves can therefore always be resumed, given that
    ``max_keep_ckpts`` is not 1 (MMEngine removes the oldest checkpoint before it writes the
    next one; -1, the default, keeps all).

    Args:
        interval: Save every so many epochs (or iterations).
        backend_args: File backend of the checkpoints; by default local files, atomically.
        max_keep_ckpts: Number of checkpoints kept, -1 for all.
        **kwargs: The other arguments of MMEngine's ``CheckpointHook``.

    Raises:
        TypeError: If an argument is unknown (MMEngine's hook would fail at the first save).
        ValueError: If ``max_keep_ckpts`` is 1.
    """

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
        if max_keep_ckpts == 1:
            raise ValueError(
                'CheckpointHook expects max_keep_ckpts of at least 2, or -1 for all, got 1: the '
                'only checkpoint would be removed before the next one is written'
            )
        if backend_args is None:
            backend_args = dict(backend='atomic_local')
        super().__init__(
            interval=interval, backend_args=backend_args, max_keep_ckpts=max_keep_ckpts, **kwargs
        )
