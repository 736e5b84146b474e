"""The transformer that reads past segments to predict the next one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmpointvideo.models.layers.transformer import Transformer
from mmpointvideo.registry import MODELS


@MODELS.register_module()
class CausalAutoregressor(nn.Module):
    """Block-causal transformer over the superpoints of segments 1 .. L-1 (Section 3.1).

    A token is its feature plus a learned linear embedding of (x, y, z, t), with t counted in
    superpoint frames from 1. A token attends to all tokens of its own and of earlier segments.

    Args:
        channels: Width c of a token.
        depth: Number of blocks.
        num_heads: Heads per block.
        head_channels: Width of a head.
        mlp_channels: Hidden width of the MLPs.
    """

    def __init__(
        self,
        channels: int = 1024,
        depth: int = 3,
        num_heads: int = 8,
        head_channels: int = 128,
        mlp_channels: int = 2048,
    ) -> None:
        super().__init__()
        self.position = nn.Linear(4, channels)
        self.transformer = Transformer(channels, depth, num_heads, head_channels, mlp_channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, xyz: Tensor) -> Tensor:
        """Contextualise the tokens.

        Args:
            tokens: ``(B, L-1, l, r, c)``.
            xyz: Positions of the superpoints, ``(B, L-1, l, r, 3)``.

        Returns:
            ``(B, L-1, l, r, c)``.
        """
        batch, segments, frames, points, _ = tokens.shape
        time = torch.arange(1, segments * frames + 1, device=xyz.device, dtype=xyz.dtype)
        time = time.view(1, segments, frames, 1, 1).expand(batch, -1, -1, points, 1)
        tokens = tokens + self.position(torch.cat([xyz, time], dim=-1))
        segment = torch.arange(segments, device=xyz.device).repeat_interleave(frames * points)
        mask = segment[:, None] >= segment[None, :] if segments > 1 else None
        out = self.norm(self.transformer(tokens.flatten(1, 3), mask))
        return out.view_as(tokens)
