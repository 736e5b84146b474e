"""The two halves of a scene: one side of its centre and the other."""

from __future__ import annotations

import numpy as np


def in_half(xyz: np.ndarray, center: np.ndarray, half: int) -> np.ndarray:
    """Which points are in a half; every point is in exactly one.

    Args:
        xyz: ``(n, 3)``.
        center: ``(3,)`` float64, the frame's centre, where its cameras are.
        half: 0, where ``z > center_z``, or 1, where ``z <= center_z``.

    Returns:
        ``(n,)`` bool.
    """
    beyond = xyz[:, 2] - np.float64(center[2]) > 0
    return ~beyond if half else beyond


def filled_halves(xyz: np.ndarray, center: np.ndarray) -> list[int]:
    """The halves that hold points.

    Args:
        xyz: As for :func:`in_half`.
        center: As for :func:`in_half`.
    """
    return [half for half in (0, 1) if in_half(xyz, center, half).any()]
