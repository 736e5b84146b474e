"""Features carried from some points to others."""

from __future__ import annotations

from torch import Tensor

from mmpointvideo.utils.precision import at_least_float32


def inverse_distance_weights(distance: Tensor) -> Tensor:
    """``1 / (d + 1e-8)``, normalised over the last dimension, as published.

    In float32 at least, where half precision would divide by zero at distance 0; returned in the
    distances' type.
    """
    (wide,) = at_least_float32(distance)
    weight = 1.0 / (wide + 1e-8)
    return (weight / weight.sum(dim=-1, keepdim=True)).to(distance.dtype)
