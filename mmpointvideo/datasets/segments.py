"""Cutting a clip into segments, at one place for arrays and tensors."""

from typing import TypeVar

import numpy as np
from torch import Tensor

ArrayOrTensor = TypeVar('ArrayOrTensor', np.ndarray, Tensor)


def split_segments(array: ArrayOrTensor, num_segments: int, axis: int) -> ArrayOrTensor:
    """Turn the axis of T frames into two of L segments and T/L frames each.

    Args:
        array: Array or tensor with T frames along ``axis``.
        num_segments: L.
        axis: Which axis counts the frames; negative ones count from the end.

    Returns:
        The same values (a view where possible), ``(..., T, ...)`` as ``(..., L, T/L, ...)``.

    Raises:
        ValueError: If L is below 1, there is no such axis, or T is not divisible by L.

    Examples:
        >>> import numpy as np
        >>> split_segments(np.zeros((24, 1024, 3)), 6, axis=0).shape
        (6, 4, 1024, 3)
    """
    if num_segments < 1:
        raise ValueError(f'num_segments: expected at least 1, got {num_segments}')
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f'axis: expected one of {array.ndim} axes, got {axis}')
    axis %= array.ndim
    frames = array.shape[axis]
    if frames == 0 or frames % num_segments:
        divisors = [n for n in range(1, frames + 1) if frames % n == 0]
        raise ValueError(
            f'{frames} frames cannot be split into {num_segments} equal segments: set '
            f'num_segments to one of {divisors} or change num_frames'
        )
    shape = (num_segments, frames // num_segments)
    return array.reshape(*array.shape[:axis], *shape, *array.shape[axis + 1 :])
