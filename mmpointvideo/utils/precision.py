"""Floating types of a computation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def at_least_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in one type: float64 if one of them has it, otherwise float32."""
    double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return tuple(tensor.to(torch.float64 if double else torch.float32) for tensor in tensors)


def no_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which operators on the tensor's device compute in the types they are given."""
    return torch.autocast(tensor.device.type, enabled=False)


def first_order(backward: Callable) -> Callable:
    """Decorator of an autograd function's ``backward``, below ``@staticmethod``.

    The gradient has no gradient of its own: asking for one is an error instead of a wrong number.
    And it is computed in the types of the forward pass, also where autocast is on around
    ``loss.backward()``.
    """

    @wraps(backward)
    def run(ctx: Any, grad: Tensor, *others: Tensor) -> Any:
        with no_autocast(grad):
            return backward(ctx, grad, *others)

    return once_differentiable(run)
