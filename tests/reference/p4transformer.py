"""The published P4Transformer as it computes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.models.encoders import P4TransformerEncoder

from .p4d_conv import literal_p4d_conv


def _attention(block: nn.Module, tokens: Tensor) -> Tensor:
    """The published attention, one head after another."""
    attention = block.attention
    x = block.attention_norm(tokens)
    query, key, value = attention.qkv(x).chunk(3, dim=-1)
    heads = []
    split = (part.chunk(attention.num_heads, -1) for part in (query, key, value))
    for q, k, v in zip(*split, strict=True):
        heads.append((q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v)
    tokens = tokens + F.gelu(attention.out(torch.cat(heads, -1)))
    return tokens + block.mlp(block.mlp_norm(tokens))


def literal_p4transformer(
    encoder: P4TransformerEncoder, xyz: Tensor, features: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The layers of an encoder through :func:`literal_p4d_conv`, then the transformer."""
    for conv in encoder.convs:
        xyz, features = literal_p4d_conv(conv, xyz, features)
    tokens = features.transpose(2, 3)
    if encoder.variant == 'scene':
        tokens = F.relu(tokens)
    else:
        for t in range(xyz.shape[1]):
            time = torch.full_like(xyz[:, t, :, :1], t + 1)
            tokens[:, t] += encoder.position(torch.cat([xyz[:, t], time], -1))
    shape, tokens = tokens.shape, tokens.flatten(1, 2)
    for block in encoder.transformer.blocks:
        tokens = _attention(block, tokens)
    return xyz, tokens.view(shape).transpose(2, 3)
