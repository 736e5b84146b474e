"""Linear maps over the last dimension, and which library multiplies the matrices.

On CPU ``F.linear`` goes to MKL, which on some processors (AMD's above all) reaches a half of what
oneDNN reaches for the same product; a 1x1 convolution over a channels-last view goes to oneDNN.
Results agree up to float rounding. The setting is global, because it depends on the machine and
not on the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

ROUTES = ('auto', 'native', 'onednn')
#: multiply-adds from which the larger fixed cost of oneDNN's convolution pays off
_ONEDNN_FROM = 1 << 24
_route = 'auto'


def set_linear_route(route: str) -> None:
    """Choose how :func:`pointwise_linear` multiplies matrices on CPU.

    Args:
        route: ``'native'`` is ``F.linear``; ``'onednn'`` a 1x1 convolution through oneDNN;
            ``'auto'`` (the default) the latter for large float32 products. CUDA tensors always
            take ``F.linear``; its TF32 mode is PyTorch's own switch,
            ``torch.set_float32_matmul_precision('high')``.

    Raises:
        ValueError: If the route is unknown, or oneDNN is not part of this PyTorch.
    """
    global _route
    if route not in ROUTES:
        raise ValueError(f'expected a route out of {ROUTES}, got {route!r}')
    if route == 'onednn' and not torch.backends.mkldnn.is_available():
        raise ValueError("this PyTorch was built without oneDNN: use 'native' or 'auto'")
    _route = route


@contextmanager
def use_linear_route(route: str) -> Iterator[None]:
    """Set the route inside a ``with`` block; see :func:`set_linear_route`."""
    before = _route
    set_linear_route(route)
    try:
        yield
    finally:
        set_linear_route(before)


def _images(rows: int) -> int:
    """As how many images rows go through oneDNN, 0 where they cannot.

    PyTorch gives 1x1 convolutions to oneDNN where there are several threads or 16 images, and
    otherwise takes a slower path of its own.
    """
    if torch.get_num_threads() > 1:
        return 1
    return 0 if rows % 16 else 16


def _through_onednn(x: Tensor, weight: Tensor) -> bool:
    if x.device.type != 'cpu' or x.dtype != torch.float32 or _route == 'native':
        return False
    if _route == 'onednn':
        return True
    large = x.numel() * weight.shape[0] >= _ONEDNN_FROM
    return large and torch.backends.mkldnn.is_available() and _images(x[..., 0].numel()) > 0


def pointwise_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Apply one matrix to every row.

    Args:
        x: ``(..., C_in)``.
        weight: ``(C_out, C_in)``.

    Returns:
        ``(..., C_out)``, contiguous.
    """
    if not _through_onednn(x, weight):
        return F.linear(x, weight)
    images = _images(x[..., 0].numel()) or 1
    image = x.reshape(images, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    out = F.conv2d(image, weight[:, :, None, None])
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])
