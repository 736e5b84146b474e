"""From superpoint features to one feature a clip."""

from __future__ import annotations

from torch import Tensor, nn

from mmpointvideo.registry import MODELS

POOLINGS = ('mean', 'max')


def _pool(x: Tensor, how: str) -> Tensor:
    return x.mean(dim=-1) if how == 'mean' else x.amax(dim=-1)


@MODELS.register_module()
class ClipPooling(nn.Module):
    """Pool over the points of a frame, then over the frames.

    Args:
        points: ``'mean'`` (PSTNet) or ``'max'``.
        frames: ``'max'`` (PSTNet) or ``'mean'``.
    """

    def __init__(self, points: str = 'mean', frames: str = 'max') -> None:
        super().__init__()
        for name, how in (('points', points), ('frames', frames)):
            if how not in POOLINGS:
                raise ValueError(f'ClipPooling expects {name} in {POOLINGS}, got {how!r}')
        self.points = points
        self.frames = frames

    def forward(self, features: Tensor) -> Tensor:
        """``(B, T, C, N)`` to ``(B, C)``."""
        return _pool(_pool(features, self.points).transpose(1, 2), self.frames)
