"""MLP over superpoints: projector and predictor."""

from __future__ import annotations

from torch import Tensor, nn

from mmpointvideo.registry import MODELS


@MODELS.register_module()
class MLPProjector(nn.Module):
    """Linear-BN-ReLU-Linear, applied to every token on its own.

    Args:
        in_channels: Width of an incoming token.
        hidden_channels: Hidden width.
        out_channels: Width of an outgoing token.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.hidden = nn.Linear(in_channels, hidden_channels, bias=False)
        self.norm = nn.BatchNorm1d(hidden_channels)
        self.out = nn.Linear(hidden_channels, out_channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(..., in_channels)`` to ``(..., out_channels)``."""
        flat = tokens.reshape(-1, tokens.shape[-1])
        flat = self.out(self.norm(self.hidden(flat)).relu())
        return flat.view(*tokens.shape[:-1], -1)
