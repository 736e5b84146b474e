"""What ``torch.compile`` must leave alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mmpointvideo.models.encoders import PSTNetEncoder
from mmpointvideo.models.layers import P4DConv, P4DTransConv, PSTConv, PSTConvTranspose
from mmpointvideo.ops.backends import BACKENDS

_TUBE_LAYERS = (P4DConv, P4DTransConv, PSTConv, PSTConvTranspose, PSTNetEncoder)


def prepare_compilation(model: nn.Module, optim_wrapper: Any = None) -> None:
    """Keep the tracer away from what it cannot trace, so that it compiles the networks.

    MMEngine's option ``compile`` traces a whole training step. Data samples (objects that copy
    themselves), losses over them, the optimiser's wrapper and the convolutions over point tubes,
    whose hand-written kernels would break the graph dozens of times, are called as they are
    instead. Compiled are the layers between: transformers, projectors, pooling.

    Args:
        model: The model, unwrapped.
        optim_wrapper: Its optimiser's wrapper, if there is one.
    """
    for name, backend in BACKENDS.items():
        if name != 'torch':
            operators = backend.operators()
            for op, function in operators.items():
                operators[op] = _leave_alone(function)
    owners: list[tuple[Any, str]] = [
        (model, 'parse_losses'),
        (getattr(model, 'data_preprocessor', None), 'forward'),
        (optim_wrapper, 'update_params'),
    ]
    for name in ('contrast_head', 'cluster_head', 'clip_head', 'head'):
        owners.append((getattr(model, name, None), 'loss'))
    owners += [(part, 'forward') for part in model.modules() if isinstance(part, _TUBE_LAYERS)]
    for owner, method in owners:
        if owner is not None and hasattr(owner, method):
            setattr(owner, method, _leave_alone(getattr(owner, method)))


def _leave_alone(function: Any) -> Any:
    if getattr(function, '_torchdynamo_disable', False):
        return function
    return torch.compiler.disable(function)
