"""A device that is not there: tensors that are on the CPU and behave as on a GPU.

On a machine without a GPU nothing notices that a label was left on the CPU, or that a prediction
went to NumPy without ``.cpu()``. Inside :func:`pretend_device` the device ``cuda:0`` can be used:
its tensors say that they are there, their operators compute on the CPU, and what a GPU does not
forgive is the error that it would be there.

PyTorch's C++ code takes these tensors for ``meta`` tensors, as it does PyTorch's own fake ones:
builds without CUDA cannot even index a tensor whose device is a GPU. Python code sees ``cuda:0``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

#: where pretend tensors are
PRETEND_DEVICE = torch.device('cuda', 0)

_aten = torch.ops.aten
#: operators that may meet tensors of both devices
_COPIES = (_aten.copy_, _aten._to_copy)
_INDEXING = (_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_)
#: attribute of the storages of saved pretend tensors
_MARK = '_of_pretend_tensor'
_load_plain = torch.load


class PretendTensor(Tensor):
    """A tensor on :data:`PRETEND_DEVICE`; made by moving tensors there, not by calling the class.

    Attributes:
        held: The tensor on the CPU that has the values; no other tensor on the CPU shares its
            memory.
    """

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    device = PRETEND_DEVICE  # type: ignore[assignment]
    is_cuda = True  # type: ignore[assignment]
    is_meta = False  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> PretendTensor:
        """A tensor with the sizes, strides and type of ``held``."""
        new = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device('meta'),
        )
        new.held = held
        return new

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Compute an operator."""
        return _compute(func, args, kwargs or {})

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """Its parts: what PyTorch knows wrappers by, which ``Module.to`` swaps for parameters."""
        return ['held'], None

    @staticmethod
    def __tensor_unflatten__(parts: dict[str, Tensor], *_: Any) -> PretendTensor:
        """Back from its parts."""
        return PretendTensor(parts['held'])

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Saved as what it says it is, a tensor on a GPU, to be loaded with ``map_location``."""
        setattr(self.held.untyped_storage(), _MARK, True)
        return self.held.__reduce_ex__(protocol)

    @property
    def data(self) -> Tensor:
        """The values without their history."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        """Take over other values; PyTorch refuses those of a tensor on the CPU."""
        torch._C.TensorBase.data.__set__(self, value)  # type: ignore[attr-defined]
        assert isinstance(value, PretendTensor)
        self.held = value.held.detach()

    # of a new meta tensor PyTorch leaves out the values: where its C++ code would make a tensor
    # from numbers, Python code does

    def __getitem__(self, index: Any) -> Tensor:
        """Read."""
        return super().__getitem__(_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write."""
        super().__setitem__(_index(index), value)

    def new_tensor(self, data: Any, **options: Any) -> Tensor:  # type: ignore[override]
        """As ``torch.tensor``, by default with this one's type and device."""
        return torch.tensor(data, **{'dtype': self.dtype, 'device': self.device, **options})

    def new(self, *args: Any, **options: Any) -> Tensor:  # type: ignore[override]
        """An error: use the methods that begin with ``new_``."""
        raise NotImplementedError('Tensor.new is not supported on a pretend device')

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """An error, as for every tensor on a GPU, unless forced.

        Raises:
            TypeError: If it is not forced.
        """
        if not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to "
                'copy the tensor to host memory first.'
            )
        return self.detach().cpu().numpy()

    def tolist(self) -> Any:
        """Its numbers."""
        return self.held.tolist()

    def get_device(self) -> int:
        """Number of the device."""
        return PRETEND_DEVICE.index

    def __format__(self, spec: str) -> str:
        """A number where there is one."""
        return format(self.held.item(), spec) if self.dim() == 0 else format(repr(self), spec)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        """The values and the device."""
        return f'{self.held!r} on {self.device}'


@contextmanager
def pretend_device() -> Iterator[torch.device]:
    """Make the device ``cuda:0`` usable, in this thread and inside the ``with`` block.

    ``tensor.to(device)``, ``module.to(device)``, ``torch.zeros(..., device=device)`` and the like
    give :class:`PretendTensor`; ``.cpu()`` gives plain tensors. Values, random ones included, are
    those of the CPU. Errors are

    * operators over tensors of both devices (but tensors of the CPU without dimensions join in
      elementwise operators, and indices of the CPU are taken);
    * indices on the device into a tensor of the CPU;
    * ``.numpy()`` and ``np.asarray``;
    * a generator of the CPU for random numbers on the device;
    * to load a tensor that was saved on the device without ``map_location``.

    ``torch.cuda.is_available()`` stays False: what asks for it has to be told the device (such as
    ``mmengine.runner.runner.get_device``), and the operators of :mod:`mmpointvideo.ops` run in
    PyTorch. Not imitated are what a GPU computes otherwise (rounding, the order of sums, operators
    that it lacks), indices out of range that it does not check, its streams, memory and own random
    numbers, kernels over many tensors at once (an optimiser's ``foreach``), autocast, which stays
    off, and several GPUs. ``torch.tensor`` takes no list of its tensors.

    Yields:
        The device.

    Raises:
        RuntimeError: If there is a GPU.

    Example:
        >>> with pretend_device() as device:
        ...     x = torch.ones(2, 3).to(device)
        ...     try:
        ...         x + torch.ones(3)
        ...     except RuntimeError as error:
        ...         print(error)
        Expected all tensors to be on the same device, but found cuda:0 and cpu in aten.add.Tensor
    """
    if torch.cuda.is_available():
        raise RuntimeError('pretend_device is for machines without a GPU, and one is here: use it')
    # torch.tensor(..., device=device): made on the CPU, then moved by an operator that is seen
    lifts_on_cpu = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with (
            mock.patch.object(torch.cuda, '_lazy_init', lambda: None),
            mock.patch.object(torch, 'load', _load),
            _Numbered(),
            _Dispatch(),
        ):
            yield PRETEND_DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(lifts_on_cpu)


class _Numbered(TorchFunctionMode):
    """Turns ``'cuda'`` and ``.cuda()`` into ``cuda:0``: only a GPU knows which is the current."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is Tensor.cuda:
            return args[0].to(PRETEND_DEVICE)
        if func is Tensor.to:
            args = tuple(map(_numbered, args))
        if kwargs and 'device' in kwargs:
            kwargs = {**kwargs, 'device': _numbered(kwargs['device'])}
        return func(*args, **kwargs or {})


class _Dispatch(TorchDispatchMode):
    """Sees the operators that make a pretend tensor out of none."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if PretendTensor not in types and kwargs.get('device') is None:
            return func(*args, **kwargs)
        return _compute(func, args, kwargs)


def _numbered(value: Any) -> Any:
    current = isinstance(value, str | torch.device) and str(value) == 'cuda'
    return PRETEND_DEVICE if current else value


def _index(index: Any) -> Any:
    """An index, its lists and arrays as tensors."""
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    return torch.as_tensor(index) if isinstance(index, list | range | np.ndarray) else index


def _compute(func: Any, args: tuple, kwargs: dict) -> Any:
    """Call an operator on the tensors that pretend tensors hold, and wrap what it returns."""
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    plain = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor)]
    has_pretend = len(plain) < len(tensors)
    device = kwargs.get('device')
    on_device = has_pretend if device is None else device.type in ('cuda', 'meta')
    if not has_pretend and not on_device:
        return func(*args, **kwargs)
    if on_device and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if has_pretend and plain:
        _check_devices(func, args, kwargs, plain)
    if device is not None:
        kwargs = {**kwargs, 'device': torch.device('cpu')}
    held_args, held_kwargs = tree_map(_held, (args, kwargs))
    out = func(*held_args, **held_kwargs)
    if not on_device:
        return out
    # an operator that writes into an argument returns it
    owners = {id(_held(tensor)): tensor for tensor in tensors}
    return tree_map(lambda leaf: _wrapped(leaf, owners), out)


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, PretendTensor) else leaf


def _wrapped(leaf: Any, owners: dict[int, Tensor]) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    owner = owners.get(id(leaf))
    if owner is None:
        return PretendTensor(leaf)
    if isinstance(owner, PretendTensor) and owner.shape != leaf.shape:  # squeeze_, resize_, ...
        owner.data = PretendTensor(leaf)
    return owner


def _check_devices(func: Any, args: tuple, kwargs: dict, plain: list[Tensor]) -> None:
    """Raise unless an operator may meet pretend tensors together with these ``plain`` ones."""
    packet = func.overloadpacket
    if packet in _COPIES:
        return
    if packet in _INDEXING:
        if not isinstance(args[0], PretendTensor):
            raise RuntimeError(
                'indices should be either on cpu or on the same device as the indexed tensor (cpu)'
            )
        values = args[2] if len(args) > 2 else kwargs.get('values')
        fits = values is None or isinstance(values, PretendTensor) or values.dim() == 0
    else:
        named = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        written = [named.get(a.name) for a in func._schema.arguments if a.is_write]
        fits = torch.Tag.pointwise in func.tags and not any(
            tensor.dim() or any(tensor is other for other in written) for tensor in plain
        )
    if not fits:
        raise RuntimeError(
            f'Expected all tensors to be on the same device, but found {PRETEND_DEVICE} and cpu '
            f'in {func}'
        )


def _load(file: Any, map_location: Any = None, *args: Any, **options: Any) -> Any:
    """``torch.load``, which maps to the pretend device as well."""
    location = map_location if isinstance(map_location, str | torch.device) else 'cpu'
    if torch.device(location).type != 'cuda':
        return _load_plain(file, map_location, *args, **options)
    loaded = _load_plain(file, 'cpu', *args, **options)
    return tree_map(lambda leaf: leaf.to(location) if isinstance(leaf, Tensor) else leaf, loaded)


def _saved_location(storage: Any) -> str | None:
    return str(PRETEND_DEVICE) if getattr(storage, _MARK, False) else None


def _restored(storage: Any, location: str) -> None:
    """Nothing: a file says ``cuda:0``, and PyTorch looks for that GPU."""


torch.serialization.register_package(5, _saved_location, _restored)
