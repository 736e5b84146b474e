"""The published P4DConv, P4DTransConv and PSTConvTranspose as they compute: loops over frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.models.layers import P4DConv, P4DTransConv, PSTConvTranspose
from mmpointvideo.ops import (
    ball_query,
    furthest_point_sample,
    gather_points,
    group_points,
    three_interpolate,
    three_nn,
)


def _pool(x: Tensor, dim: int, how: str) -> Tensor:
    if how == 'max':
        return x.max(dim).values
    return x.sum(dim) if how == 'sum' else x.mean(dim)


def literal_p4d_conv(
    conv: P4DConv, xyz: Tensor, features: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the parameters of ``conv`` through the published algorithm.

    Args:
        conv: Gives parameters, options, mode and the running averages, which are updated.
        xyz: ``(B, T, N, 3)``.
        features: ``(B, T, C, N)`` or None.
    """

    def layer(x: Tensor, weight: Tensor, norm: nn.Module | None) -> Tensor:
        x = F.conv2d(x, weight[:, :, None, None])
        if norm is not None:
            x = norm(x.flatten(2)).view_as(x)
        return F.relu(x) if conv.activation else x

    half = conv.temporal_kernel_size // 2
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

    out_xyz, out_features = [], []
    for t in range(half, len(clouds) - half, conv.temporal_stride):
        anchor_idx = furthest_point_sample(clouds[t], xyz.shape[2] // conv.spatial_stride)
        anchors = gather_points(clouds[t].transpose(1, 2).contiguous(), anchor_idx)
        per_frame = []
        for i in range(t - half, t + half + 1):
            idx = ball_query(
                clouds[i], anchors.transpose(1, 2).contiguous(), conv.radius, conv.num_neighbors
            )
            grouped = group_points(clouds[i].transpose(1, 2).contiguous(), idx)
            displacement = grouped - anchors[..., None]
            offset = torch.full_like(displacement[:, :1], i - t)
            value = layer(
                torch.cat([displacement, offset], 1),
                conv.displacement_proj.weight,
                conv.displacement_norm,
            )
            if maps[i] is not None:
                feature = layer(
                    group_points(maps[i].contiguous(), idx),
                    conv.feature_proj.weight,
                    conv.feature_norm,
                )
                value = value + feature if conv.aggregation == 'addition' else value * feature
            for linear, norm in zip(conv.mlp_projs, conv.mlp_norms, strict=True):
                value = layer(value, linear.weight, None if not conv.norm else norm)
            per_frame.append(_pool(value, 3, conv.spatial_pooling))
        out_features.append(_pool(torch.stack(per_frame), 0, conv.temporal_pooling))
        out_xyz.append(anchors.transpose(1, 2))
    return torch.stack(out_xyz, 1), torch.stack(out_features, 1)


def _interpolate(target: Tensor, source: Tensor, features: Tensor) -> Tensor:
    dist, idx = three_nn(target, source)
    reciprocal = 1 / (dist + 1e-8)
    weight = reciprocal / reciprocal.sum(2, keepdim=True)
    return three_interpolate(features.contiguous(), idx, weight)


def literal_p4d_trans_conv(
    conv: P4DTransConv,
    xyz: Tensor,
    target_xyz: Tensor,
    features: Tensor,
    skip_features: Tensor | None = None,
) -> Tensor:
    """One frame after another: interpolate, concatenate, convolve."""
    out = []
    for t in range(xyz.shape[1]):
        value = _interpolate(target_xyz[:, t], xyz[:, t], features[:, t])
        if skip_features is not None:
            value = torch.cat([value, skip_features[:, t]], 1)
        for linear, norm in zip(conv.projs, conv.norms, strict=True):
            value = F.relu(norm(F.conv1d(value, linear.weight[:, :, None])))
        out.append(value)
    return torch.stack(out, 1)


def literal_pst_conv_transpose(
    conv: PSTConvTranspose,
    xyz: Tensor,
    target_xyz: Tensor,
    features: Tensor,
    skip_features: Tensor | None = None,
) -> Tensor:
    """One target frame after another, from all source frames whose window holds it.

    Padding as in the released code: negative, the second one shortens every window.
    """
    half = conv.temporal_kernel_size // 2
    first, last = conv.temporal_padding
    windows = []
    for t2 in range(1, xyz.shape[1] + 1):
        middle = (t2 - 1) * conv.temporal_stride + 1 + half - abs(first)
        windows.append((middle, range(middle - half, middle + half + min(last, 0) + 1)))
    out = []
    for t1 in range(1, target_xyz.shape[1] + 1):
        seed_xyz, seed_features = [], []
        for t2, (middle, window) in enumerate(windows):
            if t1 in window:
                value = F.conv1d(features[:, t2], conv.temporal_proj.weight[:, :, None])
                value = value.split(conv.mid_channels, 1)[t1 - middle + half]
                seed_features.append(F.relu(conv.norm(value)))
                seed_xyz.append(xyz[:, t2])
        value = _interpolate(
            target_xyz[:, t1 - 1], torch.cat(seed_xyz, 1).contiguous(), torch.cat(seed_features, 2)
        )
        if skip_features is not None:
            value = torch.cat([value, skip_features[:, t1 - 1]], 1)
        out.append(F.conv1d(value, conv.spatial_proj.weight[:, :, None]))
    return torch.stack(out, 1)
