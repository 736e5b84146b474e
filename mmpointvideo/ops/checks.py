"""Argument checks shared by the operators."""

from __future__ import annotations

import operator
from numbers import Real

import numpy as np
import torch
from torch import Tensor


def check_positions(name: str, xyz: Tensor) -> None:
    """Raise unless ``xyz`` is a floating-point ``(B, N, 3)`` tensor with at least one point."""
    if not isinstance(xyz, Tensor):
        raise TypeError(f'{name}: expected a tensor, got {type(xyz).__name__}')
    if xyz.dim() != 3 or xyz.shape[-1] != 3:
        raise ValueError(f'{name}: expected shape (B, N, 3), got {tuple(xyz.shape)}')
    if not xyz.is_floating_point():
        raise TypeError(f'{name}: expected floating-point coordinates, got {xyz.dtype}')
    if xyz.shape[1] == 0:
        raise ValueError(f'{name}: expected at least one point, got shape {tuple(xyz.shape)}')


def check_finite(name: str, xyz: Tensor) -> None:
    """Raise if a coordinate is NaN or infinite.

    One sum over the tensor; on CUDA nothing is checked, because reading the answer would stall
    the device (the data preprocessor checks there).
    """
    if xyz.device.type == 'cpu' and not bool(torch.isfinite(xyz.detach().sum())):
        bad = ~torch.isfinite(xyz).flatten(1).all(1)
        if bool(bad.any()):
            raise ValueError(
                f'{name}: {int((~torch.isfinite(xyz)).sum())} coordinates are NaN or infinite, '
                f'first in cloud {int(bad.nonzero()[0])} of the batch: clean the data first'
            )


def check_same_batch(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    """Raise unless two tensors agree in batch size, device (and type, where both float)."""
    if a.shape[0] != b.shape[0]:
        raise ValueError(
            f'{name_a} and {name_b}: expected the same batch size, got {a.shape[0]} and '
            f'{b.shape[0]}'
        )
    check_same_device(**{name_a: a, name_b: b})
    if a.is_floating_point() and b.is_floating_point() and a.dtype != b.dtype:
        raise TypeError(
            f'{name_a} and {name_b}: expected the same type, got {a.dtype} and {b.dtype}'
        )


def check_same_device(**tensors: Tensor | None) -> None:
    """Raise unless all tensors, by name, are on the device of the first."""
    given = [(name, tensor.device) for name, tensor in tensors.items() if tensor is not None]
    first, expected = given[0]
    for name, device in given[1:]:
        if device != expected:
            raise ValueError(
                f'{first} and {name}: expected the same device, got {expected} and {device}'
            )


def check_features(name: str, features: Tensor) -> None:
    """Raise unless ``features`` is a floating-point ``(B, C, N)`` tensor."""
    if not isinstance(features, Tensor):
        raise TypeError(f'{name}: expected a tensor, got {type(features).__name__}')
    if features.dim() != 3:
        raise ValueError(f'{name}: expected shape (B, C, N), got {tuple(features.shape)}')
    if not features.is_floating_point():
        raise TypeError(f'{name}: expected floating-point features, got {features.dtype}')


def check_indices(name: str, idx: Tensor, dims: int, limit: int, low: int = 0) -> None:
    """Raise unless ``idx`` is an integer tensor of ``dims`` dimensions, on CPU in [low, limit)."""
    if not isinstance(idx, Tensor):
        raise TypeError(f'{name}: expected a tensor, got {type(idx).__name__}')
    if idx.dtype not in (torch.int32, torch.int64):
        raise TypeError(f'{name}: expected int64 (or int32) indices, got {idx.dtype}')
    if idx.dim() != dims:
        raise ValueError(f'{name}: expected {dims} dimensions, got shape {tuple(idx.shape)}')
    if idx.device.type == 'cpu' and idx.numel():
        least, most = (int(value) for value in torch.aminmax(idx))
        if least < low or most >= limit:
            raise ValueError(f'{name}: expected indices in [{low}, {limit}), got {least} to {most}')


def check_radius(radius: float) -> float:
    """``radius`` as a float: positive and finite."""
    if isinstance(radius, bool) or not isinstance(radius, Real | Tensor | np.ndarray):
        raise TypeError(f'radius: expected a number, got {radius!r}')
    if not 0 < float(radius) < float('inf'):
        raise ValueError(f'radius: expected a positive number, got {radius}')
    return float(radius)


def check_count(name: str, value: int, low: int, high: int | None = None) -> int:
    """``value`` as an int, of at least ``low`` and at most ``high``; NumPy's integers count."""
    if isinstance(value, bool) or not hasattr(value, '__index__'):
        raise TypeError(f'{name}: expected an int, got {value!r}')
    value = operator.index(value)
    if value < low or (high is not None and value > high):
        bound = f'at least {low}' if high is None else f'between {low} and {high}'
        raise ValueError(f'{name}: expected {bound}, got {value}')
    return value
