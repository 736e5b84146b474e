"""The threads of the compiled operators.

Each call uses as many threads as PyTorch would (``torch.get_num_threads()``), one where there is
little to do. A lock lets one Python thread at a time into numba's thread pool: kernels release
the interpreter lock, and the ``workqueue`` layer, the only one that is always present, ends the
process when two meet in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

#: steps of an inner loop (0.1 ms or so) below which waking another thread does not pay
STEPS_PER_THREAD = 1 << 17

_most_threads: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
_lock = threading.Lock()
_has_run = False


def run(steps: int, kernel: Callable, *args) -> None:
    """Run a kernel of so many inner steps."""
    global _has_run
    wanted = min(torch.get_num_threads(), _most_threads, steps // STEPS_PER_THREAD)
    with _lock:
        _has_run = True
        numba.set_num_threads(max(1, wanted))
        kernel(*args)


def has_run() -> bool:
    """Whether the threads have been started, in this process or in one that it was forked from."""
    return _has_run


def as_array(tensor: Tensor) -> np.ndarray:
    """The values of a CPU tensor, in order; a copy only where they are not."""
    return tensor.detach().contiguous().numpy()
