"""Features carried from some points to others."""

from __future__ import annotations

from torch import Tensor


def inverse_distance_weights(distance: Tensor) -> Tensor:
    """``1 / (d + 1e-8)``, normalised over the last dimension, as published."""
    weight = 1.0 / (distance + 1e-8)
    return weight / weight.sum(dim=-1, keepdim=True)
