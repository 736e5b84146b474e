"""The published PSTConv as it computes: a loop over frames, grouping before every projection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.models.encoders import PSTNetEncoder
from mmpointvideo.models.layers import PSTConv
from mmpointvideo.ops import ball_query, furthest_point_sample, gather_points, group_points


def literal_pst_conv(
    conv: PSTConv, xyz: Tensor, features: Tensor | None, norm: nn.BatchNorm1d | None = None
) -> tuple[Tensor, Tensor]:
    """Run the parameters of ``conv`` through the published algorithm.

    Args:
        conv: Gives parameters and options.
        xyz: ``(B, T, N, 3)``.
        features: ``(B, T, C, N)`` or None.
        norm: Used instead of ``conv.norm`` (whose running averages then stay as they are).
    """
    norm = conv.norm if norm is None else norm
    radius_t = conv.temporal_kernel_size // 2
    clouds = list(xyz.unbind(1))
    maps = [None] * len(clouds) if features is None else list(features.unbind(1))
    before, after = conv.temporal_padding
    if conv.padding_mode == 'zeros':
        cloud = torch.zeros_like(clouds[0])
        empty = None if features is None else torch.zeros_like(maps[0])
        clouds = [cloud] * before + clouds + [cloud] * after
        maps = [empty] * before + maps + [empty] * after
    else:
        clouds = clouds[:1] * before + clouds + clouds[-1:] * after
        maps = maps[:1] * before + maps + maps[-1:] * after

    displacement_weight = conv.displacement_proj.weight[:, :, None, None]
    out_xyz, out_features = [], []
    for t in range(radius_t, len(clouds) - radius_t, conv.temporal_stride):
        anchor_idx = furthest_point_sample(clouds[t], xyz.shape[2] // conv.spatial_stride)
        anchors = gather_points(clouds[t].transpose(1, 2).contiguous(), anchor_idx)
        per_frame = []
        for i in range(t - radius_t, t + radius_t + 1):
            idx = ball_query(
                clouds[i], anchors.transpose(1, 2).contiguous(), conv.radius, conv.num_neighbors
            )
            grouped_xyz = group_points(clouds[i].transpose(1, 2).contiguous(), idx)
            value = F.conv2d(grouped_xyz - anchors[..., None], displacement_weight)
            if maps[i] is not None:
                grouped = group_points(maps[i].contiguous(), idx)
                feature = F.conv2d(grouped, conv.feature_proj.weight[:, :, None, None])
                value = value * feature if conv.aggregation == 'multiplication' else value + feature
            if conv.pooling == 'sum':
                per_frame.append(value.sum(-1))
            elif conv.pooling == 'avg':
                per_frame.append(value.mean(-1))
            else:
                per_frame.append(value.max(-1).values)
        hidden = F.relu(norm(torch.cat(per_frame, 1)))
        out_features.append(F.conv1d(hidden, conv.temporal_proj.weight[:, :, None]))
        out_xyz.append(anchors.transpose(1, 2))
    return torch.stack(out_xyz, 1), torch.stack(out_features, 1)


def literal_pstnet(
    encoder: PSTNetEncoder, xyz: Tensor, features: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The six layers of an encoder, each through :func:`literal_pst_conv`."""
    for index, conv in enumerate(encoder.convs):
        if index:
            features = F.relu(features)
        xyz, features = literal_pst_conv(conv, xyz, features)
    return xyz, features
