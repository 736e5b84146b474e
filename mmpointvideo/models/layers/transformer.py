"""Pre-norm transformer over tokens."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.registry import MODELS


class Attention(nn.Module):
    """Multi-head self-attention through ``scaled_dot_product_attention``.

    Args:
        channels: Width of a token.
        num_heads: Number of heads.
        head_channels: Width of a head; the heads together need not have the token's width.
        output_activation: A GELU after the output projection, as in the published
            P4Transformer.
    """

    def __init__(
        self, channels: int, num_heads: int, head_channels: int, output_activation: bool = False
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        inner = num_heads * head_channels
        self.qkv = nn.Linear(channels, 3 * inner, bias=False)
        self.out = nn.Linear(inner, channels)
        self.output_activation = nn.GELU() if output_activation else nn.Identity()

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, S, C)`` to ``(B, S, C)``; ``mask`` ``(S, S)`` bool, True where attended."""
        batch, count, _ = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.output_activation(self.out(mixed.transpose(1, 2).flatten(2)))


class TransformerBlock(nn.Module):
    """Attention and MLP, each behind a LayerNorm and beside a skip connection."""

    def __init__(
        self,
        channels: int,
        num_heads: int,
        head_channels: int,
        mlp_channels: int,
        output_activation: bool = False,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, num_heads, head_channels, output_activation)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, mlp_channels), nn.GELU(), nn.Linear(mlp_channels, channels)
        )

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, S, C)`` to ``(B, S, C)``."""
        tokens = tokens + self.attention(self.attention_norm(tokens), mask)
        return tokens + self.mlp(self.mlp_norm(tokens))


@MODELS.register_module()
class Transformer(nn.Module):
    """A stack of pre-norm blocks (P4Transformer, CVPR 2021, Section 3.3).

    Args:
        channels: Width of a token.
        depth: Number of blocks.
        num_heads: Heads per block.
        head_channels: Width of a head.
        mlp_channels: Hidden width of the MLPs.
        output_activation: A GELU after every attention's output projection.
    """

    def __init__(
        self,
        channels: int,
        depth: int,
        num_heads: int,
        head_channels: int,
        mlp_channels: int,
        output_activation: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(channels, num_heads, head_channels, mlp_channels, output_activation)
            for _ in range(depth)
        )

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mix the tokens.

        Args:
            tokens: ``(B, S, C)``.
            mask: ``(S, S)`` bool, True where row may attend to column; everywhere by default.

        Returns:
            ``(B, S, C)``.
        """
        for block in self.blocks:
            tokens = block(tokens, mask)
        return tokens
