"""Which implementation of an operator runs: chosen per call, or forced.

The automatic choice takes, for the device of the tensors, the first backend in ``ORDER`` that is
usable here and offers the operator. All of them return the same result (see ``docs/performance.md``
for the few documented exceptions), so the choice is about speed only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from .backends import BACKENDS, ORDER, Backend, BackendUnavailable

_forced: str | None = None
_tables: dict[str, dict[str, Callable] | BackendUnavailable] = {}


def _table(backend: Backend) -> dict[str, Callable] | None:
    """The operators of a backend, loaded once; None where it is not usable."""
    if backend.name not in _tables:
        try:
            _tables[backend.name] = backend.load()
        except BackendUnavailable as error:
            _tables[backend.name] = error
    table = _tables[backend.name]
    return None if isinstance(table, BackendUnavailable) else table


def give_up(name: str, reason: str) -> None:
    """Stop using a backend in this process; where it was forced, PyTorch takes over."""
    _tables[name] = BackendUnavailable(reason)


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here, the preferred ones first.

    ``torch`` is always among them; ``numba`` (CPU) needs ``pip install mmpointvideo[fast]``;
    ``triton`` needs a CUDA device, ``pointnet2_ops`` and ``mmcv`` their compiled operators too.
    """
    return tuple(name for name in ORDER if _table(BACKENDS[name]) is not None)


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
    if _table(BACKENDS[name]) is None:
        raise ValueError(
            f'backend {name!r} is not usable here: {_tables[name]}; '
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
        implementation = (_table(backend) or {}).get(op)
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
                implementation = (_table(backend) or {}).get(op)
                if implementation is not None:
                    return implementation
    table = _table(BACKENDS['torch'])
    assert table is not None
    return table[op]
