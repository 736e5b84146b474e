"""PSTConvTranspose: temporal transposed convolution and spatial interpolation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import three_interpolate, three_nn
from ...registry import MODELS
from .frame_batch_norm import STATISTICS, frame_norm_relu
from .interpolation import inverse_distance_weights
from .linear import pointwise_linear
from .tube_query import check_clips


@MODELS.register_module()
class PSTConvTranspose(nn.Module):
    """Transposed point spatio-temporal convolution (PSTNet, ICLR 2021, Section 3.4).

    The temporal part maps the features of every source frame to the k_t frames of its window;
    they are normalised and clipped at zero. The spatial part interpolates to the points of each
    target frame, with inverse-distance weights over the three nearest points of all source
    frames whose windows hold it, concatenates the skip features and maps the result.

    Args:
        in_channels: Channels of the features to propagate.
        mid_channels: Channels between the temporal and the spatial part.
        out_channels: Channels of the output features.
        temporal_kernel_size: Frames of a window, k_t; odd.
        temporal_stride: Target frames between the windows of neighbouring source frames.
        temporal_padding: Frames that the mirrored ``PSTConv`` padded before and after, which are
            cut off. The released code writes them as negative numbers, and its second one
            shortens every window; negative numbers are read like that.
        skip_channels: Channels of the skip features; 0 for none.
        bn_statistics: Statistics of the normalisation in training: ``'frame'`` (each pair of
            target and source frame on its own, as published) or ``'joint'``.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> conv = PSTConvTranspose(8, 12, 16, temporal_kernel_size=3, temporal_stride=2,
        ...                         temporal_padding=(1, 0), skip_channels=3)
        >>> conv(torch.rand(2, 2, 10, 3), torch.rand(2, 4, 40, 3), torch.rand(2, 2, 8, 10),
        ...      torch.rand(2, 4, 3, 40)).shape
        torch.Size([2, 4, 16, 40])
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        temporal_kernel_size: int,
        temporal_stride: int = 1,
        temporal_padding: tuple[int, int] = (0, 0),
        skip_channels: int = 0,
        bn_statistics: str = 'frame',
    ) -> None:
        super().__init__()
        if temporal_kernel_size < 1 or temporal_kernel_size % 2 == 0:
            raise ValueError(
                f'temporal_kernel_size: expected an odd number, got {temporal_kernel_size}'
            )
        if not 1 <= temporal_stride <= temporal_kernel_size:
            raise ValueError(
                f'temporal_stride: expected 1 to temporal_kernel_size={temporal_kernel_size} (no '
                f'target frame may be left out), got {temporal_stride}'
            )
        if len(temporal_padding) != 2:
            raise ValueError(f'temporal_padding: expected (before, after), got {temporal_padding}')
        if min(in_channels, mid_channels, out_channels) < 1 or skip_channels < 0:
            raise ValueError(
                'expected positive channels and skip_channels >= 0, got '
                f'{in_channels}, {mid_channels}, {out_channels} and {skip_channels}'
            )
        if bn_statistics not in STATISTICS:
            raise ValueError(f'bn_statistics: expected one of {STATISTICS}, got {bn_statistics!r}')
        self.in_channels = in_channels
        self.mid_channels = mid_channels
        self.out_channels = out_channels
        self.temporal_kernel_size = temporal_kernel_size
        self.temporal_stride = temporal_stride
        self.temporal_padding = (int(temporal_padding[0]), int(temporal_padding[1]))
        self.skip_channels = skip_channels
        self.bn_statistics = bn_statistics
        self.temporal_proj = nn.Linear(in_channels, temporal_kernel_size * mid_channels, bias=False)
        self.norm = nn.BatchNorm1d(mid_channels)
        self.spatial_proj = nn.Linear(mid_channels + skip_channels, out_channels, bias=False)

    def forward(
        self,
        xyz: Tensor,
        target_xyz: Tensor,
        features: Tensor,
        skip_features: Tensor | None = None,
    ) -> Tensor:
        """Propagate features.

        Args:
            xyz: Positions that have features, ``(B, T', N', 3)``.
            target_xyz: Positions to carry them to, ``(B, T, N, 3)``.
            features: ``(B, T', C_in, N')``.
            skip_features: ``(B, T, C_skip, N)``, or None for ``skip_channels=0``.

        Returns:
            ``(B, T, C_out, N)`` (channels last in memory).

        Raises:
            ValueError: If a shape does not fit, or T' frames do not become T.
        """
        check_clips(xyz, features, self.in_channels)
        check_clips(target_xyz, skip_features, self.skip_channels)
        num_batch, num_sources, num_points = xyz.shape[:3]
        num_targets = target_xyz.shape[1]
        seeds = self._seeds(num_sources, num_targets)

        # every (source frame, tap) reaches one target frame: seeds in the order of the targets
        sources = [source for target in seeds for source, _ in target]
        taps = [tap for target in seeds for _, tap in target]
        x = pointwise_linear(features.transpose(2, 3), self.temporal_proj.weight).to(xyz.dtype)
        x = x.unflatten(3, (self.temporal_kernel_size, -1))[:, sources, :, taps]
        x = frame_norm_relu(x.transpose(0, 1).contiguous(), self.norm, self.bn_statistics)
        spatial = self.spatial_proj.weight
        x = pointwise_linear(x, spatial[:, : self.mid_channels]).to(xyz.dtype)

        idx, weight = self._nearest(xyz, target_xyz, seeds, sources)
        x = x.flatten(1, 2).transpose(1, 2).contiguous()
        x = three_interpolate(x, idx, weight).transpose(1, 2)
        x = x.reshape(num_batch, num_targets, target_xyz.shape[2], -1)
        if skip_features is not None:
            skip = skip_features.transpose(2, 3)
            x = x + pointwise_linear(skip, spatial[:, self.mid_channels :])
        return x.transpose(2, 3)

    def _seeds(self, num_sources: int, num_targets: int) -> list[list[tuple[int, int]]]:
        """(source frame, tap) pairs of every target frame."""
        before, after = self.temporal_padding
        length = (num_sources - 1) * self.temporal_stride + self.temporal_kernel_size
        length -= abs(before) + abs(after)
        if length != num_targets:
            raise ValueError(
                f'expected {length} target frames for {num_sources} source frames '
                f'(kernel size {self.temporal_kernel_size}, stride {self.temporal_stride}, '
                f'padding {self.temporal_padding}), got {num_targets}'
            )
        window = self.temporal_kernel_size + min(after, 0)
        seeds: list[list[tuple[int, int]]] = [[] for _ in range(num_targets)]
        for source in range(num_sources):
            for tap in range(window):
                target = source * self.temporal_stride + tap - abs(before)
                if 0 <= target < num_targets:
                    seeds[target].append((source, tap))
        if not all(seeds):
            raise ValueError(
                f'temporal_padding={self.temporal_padding} leaves target frames without a source'
            )
        return seeds

    def _nearest(
        self,
        xyz: Tensor,
        target_xyz: Tensor,
        seeds: list[list[tuple[int, int]]],
        sources: list[int],
    ) -> tuple[Tensor, Tensor]:
        """Three nearest points of all seeds of a target frame.

        Returns:
            Indices into the S seeds' points, ``(B, T * N, 3)``, and weights.
        """
        num_batch, num_points = xyz.shape[0], xyz.shape[2]
        targets = [step for step, target in enumerate(seeds) for _ in target]
        distance, idx = three_nn(
            target_xyz[:, targets].flatten(0, 1), xyz[:, sources].flatten(0, 1)
        )
        distance = distance.unflatten(0, (num_batch, -1))
        first = torch.arange(len(sources), device=xyz.device)[:, None, None] * num_points
        idx = idx.unflatten(0, (num_batch, -1)) + first
        most = max(len(target) for target in seeds)
        if most > 1:
            # one slot more than there are seeds: where a target has fewer, infinitely far
            distance = F.pad(distance, (0, 0, 0, 0, 0, 1), value=float('inf'))
            idx = F.pad(idx, (0, 0, 0, 0, 0, 1))
            slots, start = [], 0
            for target in seeds:
                missing = [len(sources)] * (most - len(target))
                slots.append([*range(start, start + len(target)), *missing])
                start += len(target)
            distance = distance[:, slots].transpose(2, 3).flatten(3)
            idx = idx[:, slots].transpose(2, 3).flatten(3)
            distance, order = distance.sort(dim=3, stable=True)
            distance, idx = distance[..., :3], idx.gather(3, order[..., :3])
        return idx.flatten(1, 2), inverse_distance_weights(distance).flatten(1, 2)
