"""What a backend is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor


class BackendUnavailable(RuntimeError):
    """A backend cannot be used here; the message says why and what to install."""


@dataclass
class Backend:
    """One family of implementations of the point operators.

    Attributes:
        name: What :func:`mmpointvideo.ops.set_backend` calls it.
        load: Returns operator name -> function (the public signature, checked arguments), or
            raises :class:`BackendUnavailable`. Called once, on first use.
        device_type: ``'cpu'``, ``'cuda'`` or None for any.
        dtypes: Types of coordinates and features it takes; None for any floating type.
    """

    name: str
    load: Callable[[], dict[str, Callable]]
    device_type: str | None = None
    dtypes: tuple[torch.dtype, ...] | None = None
    _loaded: dict[str, Callable] | BackendUnavailable | None = field(
        default=None, init=False, repr=False
    )

    def operators(self) -> dict[str, Callable]:
        """Its operators by name, loaded once; none where it is not usable."""
        if self._loaded is None:
            try:
                self._loaded = self.load()
            except BackendUnavailable as error:
                self._loaded = error
        return {} if isinstance(self._loaded, BackendUnavailable) else self._loaded

    @property
    def obstacle(self) -> str | None:
        """Why it is not usable here; None where it is."""
        self.operators()
        return str(self._loaded) if isinstance(self._loaded, BackendUnavailable) else None

    def retire(self, reason: str) -> None:
        """Stop using it in this process; where it was forced, PyTorch takes over."""
        self._loaded = BackendUnavailable(reason)

    @property
    def description(self) -> str:
        """The tensors it takes, in words."""
        types = 'floating-point' if self.dtypes is None else ' or '.join(map(str, self.dtypes))
        return f'{types} tensors on {self.device_type or "any device"}'

    def supports(self, tensor: Tensor) -> bool:
        """Whether tensors like this one can be given to its operators."""
        device_fits = self.device_type is None or tensor.device.type == self.device_type
        return device_fits and (self.dtypes is None or tensor.dtype in self.dtypes)
