"""What a forward pass keeps for the backward pass: the same number on every machine."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar('Result')


class _Held:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def kept_for_backward(
    call: Callable[[], Result], parameters: Iterable[Tensor] = ()
) -> tuple[Result, int]:
    """Run a forward pass and count.

    Args:
        call: The forward pass.
        parameters: Tensors that do not count: they are there anyway.

    Returns:
        What ``call`` returned, and the bytes of all tensors that autograd still holds.
    """
    held: weakref.WeakSet[_Held] = weakref.WeakSet()

    def pack(tensor: Tensor) -> _Held:
        handle = _Held(tensor)
        held.add(handle)
        return handle

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda handle: handle.tensor):
        result = call()
    storages = [handle.tensor.untyped_storage() for handle in held]
    sizes = {storage.data_ptr(): storage.nbytes() for storage in storages}
    there = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    return result, sum(size for pointer, size in sizes.items() if pointer not in there)
