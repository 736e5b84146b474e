"""Furthest point sampling."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .backends.torch_backend import OPERATORS
from .checks import check_count, check_finite, check_positions
from .dispatch import resolve

TIE_ORDERS = ('any', 'published')


@lru_cache(maxsize=64)
def published_order(num_points: int) -> tuple[int, ...]:
    """The order in which the published CUDA kernel prefers equally far points.

    Its threads (a power of two, at most 512) stride over the points and keep their first
    maximum; a tree whose left side wins then compares the threads. So point ``k`` of thread
    ``t = k mod threads`` wins by the bits of ``t`` read backwards, then by ``k``.
    """
    threads = min(512, 1 << (num_points.bit_length() - 1))
    bits = threads.bit_length() - 1

    def rank(point: int) -> tuple[int, int]:
        thread = point % threads
        return sum((thread >> bit & 1) << (bits - 1 - bit) for bit in range(bits)), point

    return tuple(sorted(range(num_points), key=rank))


def furthest_point_sample(xyz: Tensor, num_points: int, tie_order: str = 'any') -> Tensor:
    """Choose points one after another, each the furthest from those chosen before.

    Starts at index 0. Points with ``|p|^2 <= 1e-3`` are never chosen after the first: the rule
    of the published kernel, which takes them for padding. Where no other point is left, 0 or an
    already chosen point is repeated.

    Args:
        xyz: Positions, ``(B, N, 3)``; gradients do not flow through the choice.
        num_points: Number of points to choose, M; at most N.
        tie_order: ``'any'`` takes one of the equally far points (the PyTorch and numba backends
            the lowest index, ``pointnet2_ops`` and ``mmcv`` what their thread layout gives).
            ``'published'`` takes, on every backend, the one the published CUDA kernel
            (``pointnet2_ops``) takes.

    Returns:
        Indices, ``(B, M)`` int64.

    Raises:
        ValueError: If M is not in 1..N, the shape is wrong, or (CPU) a coordinate is not finite.

    Example:
        >>> xyz = torch.tensor([[[1., 0, 0], [2, 0, 0], [9, 0, 0]]])
        >>> furthest_point_sample(xyz, 2).tolist()
        [[0, 2]]
    """
    check_positions('xyz', xyz)
    num_points = check_count('num_points', num_points, 1, xyz.shape[1])
    check_finite('xyz', xyz)
    if tie_order not in TIE_ORDERS:
        raise ValueError(f'tie_order: expected one of {TIE_ORDERS}, got {tie_order!r}')
    xyz = xyz.detach()
    sample = resolve('furthest_point_sample', xyz)
    if tie_order == 'any' or getattr(sample, 'has_published_ties', False):
        return sample(xyz, num_points)
    if not getattr(sample, 'takes_lowest_index', False):
        sample = OPERATORS['furthest_point_sample']
    order = torch.tensor(published_order(xyz.shape[1]), device=xyz.device)
    return order[sample(xyz[:, order], num_points)]
