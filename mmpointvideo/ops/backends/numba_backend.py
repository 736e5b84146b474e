"""CPU operators compiled by numba (``pip install mmpointvideo[fast]``).

numba's threads (``numba_pool.py``) do not survive a fork: a child process that is forked after
they began to work goes over to the ``torch`` backend (numba would end the child, or return
garbage, depending on its layer).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from .base import Backend, BackendUnavailable


def _load() -> dict[str, Callable]:
    try:
        import numba  # noqa: F401
    except ImportError as error:
        raise BackendUnavailable(
            f'numba cannot be imported ({error}): pip install mmpointvideo[fast]'
        ) from error

    from . import (
        numba_aggregation_ops,
        numba_norm_ops,
        numba_point_ops,
        numba_pool,
        numba_row_ops,
    )

    def leave_forked_child() -> None:
        if numba_pool.has_run():
            NUMBA.retire('this process was forked after numba had started its threads')

    if hasattr(os, 'register_at_fork'):  # not on Windows
        os.register_at_fork(after_in_child=leave_forked_child)
    return {
        **numba_point_ops.OPERATORS,
        **numba_aggregation_ops.OPERATORS,
        **numba_norm_ops.OPERATORS,
        **numba_row_ops.OPERATORS,
    }


NUMBA = Backend('numba', _load, device_type='cpu', dtypes=(torch.float32, torch.float64))
