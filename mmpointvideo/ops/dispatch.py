"""Which implementation of an operator runs: chosen per call, or forced.

The automatic choice takes, for the device of the tensors, the first backend in ``ORDER`` that is
usable here and offers the operator. All of them return the same result (see ``docs/performance.md``
for the few documented exceptions), so the choice is about speed only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from .backends import BACKENDS, ORDER

_forced: str | None = None


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here, the preferred ones first.

    ``torch`` is always among them; ``numba`` (CPU) needs ``pip install mmpointvideo[fast]``;
    ``triton`` needs a CUDA device, ``pointnet2_ops`` and ``mmcv`` their compiled operators too.
    """
    return tuple(name for name in ORDER if BACKENDS[name].obstacle is None)


def get_backend() -> str | None:
    """The forced backend, or None where it is chosen per call."""
    return _forced


def set_backend(name: str | None) -> None:
    """Force one backend for all operators, in the whole process.

    An operator that the backend does not offer still runs in PyTorch; tensors that it cannot
    take (another device or type) are an error instead of a silent detour.

    Args:
        name: One of :func:`available_backends`; None or ``'auto'`` chooses per call.

    Raises:
        ValueError: If the name is unknown or the backend is not usable here.
    """
    global _forced
    if name is None or name == 'auto':
        _forced = None
        return
    if name not in BACKENDS:
        raise ValueError(f'expected a backend out of {sorted(BACKENDS)}, got {name!r}')
    if BACKENDS[name].obstacle is not None:
        raise ValueError(
            f'backend {name!r} is not usable here: {BACKENDS[name].obstacle}; '
            f'usable: {list(available_backends())}'
        )
    _forced = name


@contextmanager
def use_backend(name: str | None) -> Iterator[None]:
    """Force a backend inside a ``with`` block; see :func:`set_backend`."""
    before = _forced
    set_backend(name)
    try:
        yield
    finally:
        set_backend(before)


def resolve(op: str, tensor: Tensor) -> Callable:
    """The implementation of ``op`` for tensors on the device and of the type of ``tensor``."""
    if _forced is not None:
        backend = BACKENDS[_forced]
        implementation = backend.operators().get(op)
        if implementation is not None:
            if not backend.supports(tensor):
                raise ValueError(
                    f'backend {_forced!r} takes {backend.description}, got '
                    f'{tensor.dtype} on {tensor.device}: use_backend("auto") picks one that fits'
                )
            return implementation
    else:
        for name in ORDER:
            backend = BACKENDS[name]
            if backend.supports(tensor):
                implementation = backend.operators().get(op)
                if implementation is not None:
                    return implementation
    return BACKENDS['torch'].operators()[op]
