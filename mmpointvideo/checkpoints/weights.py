"""Taking over weights: which were used, which were missing, which were left over."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from . import safe_loading  # noqa: F401  (every load below is a safe one)


@dataclass
class LoadReport:
    """What became of every weight when a checkpoint was loaded into a module.

    Attributes:
        source: Where the weights came from.
        used: Weights of the module that were loaded.
        missing: Weights of the module that the checkpoint does not have.
        mismatched: Weights of both with different shapes, as ``name: module's, checkpoint's``.
        unexpected: Weights of the checkpoint under the prefix that the module does not have.
        left_over: Weights of the checkpoint outside the prefix (projector, heads, memory, ...).
    """

    source: str
    used: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every weight of the module was loaded and the prefix held no other."""
        return bool(self.used) and not (self.missing or self.mismatched or self.unexpected)

    def __str__(self) -> str:
        """A line for each kind, left-over weights by the part of the model they belong to."""
        parts = Counter(name.partition('.')[0] for name in self.left_over)
        left_over = ', '.join(f'{part} ({count})' for part, count in sorted(parts.items()))
        lines = [f'weights from {self.source}: {len(self.used)} used']
        for kind in ('missing', 'mismatched', 'unexpected'):
            names = getattr(self, kind)
            lines.append(f'  {kind} ({len(names)}): {", ".join(names) or "none"}')
        lines.append(f'  left over ({len(self.left_over)}): {left_over or "none"}')
        return '\n'.join(lines)


def read_state_dict(checkpoint: str | os.PathLike | dict) -> dict[str, Tensor]:
    """The weights of a checkpoint, on the CPU, without a wrapper's ``module.``.

    Args:
        checkpoint: A path or address, a loaded checkpoint, or a state dict.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no weights.
    """
    loaded: Any = checkpoint
    if not isinstance(checkpoint, dict):
        loaded = CheckpointLoader.load_checkpoint(os.fspath(checkpoint), map_location='cpu')
    state = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(
            f'{_name(checkpoint)}: expected a checkpoint with a state_dict of tensors, got '
            f'{sorted(loaded) if isinstance(loaded, dict) else type(loaded).__name__}'
        )
    return {
        name.removeprefix('module.'): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def compare_weights(
    module: nn.Module, state: dict[str, Tensor], prefix: str = '', source: str = 'a state dict'
) -> LoadReport:
    """Say what loading ``state`` into ``module`` would do; nothing is loaded.

    Args:
        module: The module.
        state: Weights by name.
        prefix: What the names of the module's weights begin with in ``state``.
        source: Where the weights come from, for the report.
    """
    report = LoadReport(source)
    wanted = module.state_dict()
    for name, value in wanted.items():
        found = state.get(prefix + name)
        if found is None:
            report.missing.append(name)
        elif found.shape != value.shape:
            report.mismatched.append(f'{name}: {tuple(value.shape)}, {tuple(found.shape)}')
        else:
            report.used.append(name)
    for name in state:
        if not name.startswith(prefix):
            report.left_over.append(name)
        elif name.removeprefix(prefix) not in wanted:
            report.unexpected.append(name.removeprefix(prefix))
    return report


def load_encoder_weights(
    encoder: nn.Module,
    checkpoint: str | os.PathLike | dict,
    prefix: str = 'encoder.',
    strict: bool = True,
) -> LoadReport:
    """Load a pre-trained encoder and log exactly what was used, missing and left over.

    Args:
        encoder: The encoder; its weights are replaced.
        checkpoint: A checkpoint of any model that has an encoder: a path or address, a loaded
            checkpoint, or a state dict.
        prefix: What the encoder's weights are called in it; ``''`` for a file of an encoder
            alone.
        strict: Every weight of the encoder must be found, with its shape, and every weight
            under the prefix must be used. False loads what fits.

    Returns:
        The report that was logged.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If ``strict`` and the weights do not fit, or if nothing fits at all. The
            encoder is then unchanged.
    """
    state = read_state_dict(checkpoint)
    report = compare_weights(encoder, state, prefix, _name(checkpoint))
    if not report.used or (strict and not report.complete):
        raise ValueError(
            f'the weights do not fit {type(encoder).__name__}: expected every weight under '
            f'{prefix!r}, got\n{report}\nGive the encoder the settings that it was pre-trained '
            "with, or another checkpoint, or the prefix that its weights have there ('' for an "
            'encoder alone)'
        )
    encoder.load_state_dict({name: state[prefix + name] for name in report.used}, strict=False)
    print_log(f'{type(encoder).__name__}: {report}', logger='current')
    return report


def require_all_weights(module: nn.Module, checkpoint: str | os.PathLike | dict) -> None:
    """Check that a checkpoint is one of this model, before it is tested or used.

    Args:
        module: The whole model.
        checkpoint: As in :func:`read_state_dict`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a weight is missing, superfluous or has another shape.
    """
    report = compare_weights(module, read_state_dict(checkpoint), '', _name(checkpoint))
    if not report.complete:
        raise ValueError(
            f'the checkpoint is not one of this {type(module).__name__}: {report}\n'
            'Test it with the config it was trained with (it lies in its work dir)'
        )


def _name(checkpoint: str | os.PathLike | dict) -> str:
    return 'a state dict' if isinstance(checkpoint, dict) else str(checkpoint)
