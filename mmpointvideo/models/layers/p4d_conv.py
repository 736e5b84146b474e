"""P4DConv: point 4D convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import aggregate_displaced
from ...ops.dispatch import resolve
from ...ops.tube_rows import TubeRows, gather_counts, tube_rows
from ...registry import MODELS
from ...utils.precision import no_autocast
from .frame_batch_norm import STATISTICS
from .linear import pointwise_linear
from .row_norm import normalization, row_norm, row_norm_max
from .tube import PADDING_MODES, ZERO_FRAME, frame_windows
from .tube_query import TIE_ORDERS, check_clips, query_windows, sample_anchors

_AGGREGATIONS = ('addition', 'multiplication')
_POOLINGS = ('max', 'sum', 'avg')


def _pool(x: Tensor, dim: int, how: str) -> Tensor:
    if how == 'max':
        return x.amax(dim)
    return x.sum(dim) if how == 'sum' else x.mean(dim)


@MODELS.register_module()
class P4DConv(nn.Module):
    """Point 4D convolution (P4Transformer, CVPR 2021, Section 3.2).

    For every temporal anchor frame furthest point sampling picks anchors; in each of the k_t
    frames around it a ball query finds their neighbours. The displacement of a neighbour
    (x, y, z, frame offset) and its features are projected, normalised and clipped at zero,
    combined, and mapped by further layers; then pooled over the neighbours and over the frames.

    The result, the gradients and the running averages are those of the published layer, which
    loops over pairs of frames; here all pairs are one batch, features are projected before they
    are gathered, the displacements' normalisation is folded into their projection, and
    neighbours that the ball query repeats are computed once and weighted in the statistics.

    Args:
        in_channels: Channels of the input features; 0 for none.
        mlp_channels: Output channels of the projections, then of every further layer.
        radius: Radius of the neighbourhoods, in units of the coordinates.
        num_neighbors: Neighbours K of an anchor in a frame; may exceed the number of points.
        temporal_kernel_size: Frames of a window, k_t; odd.
        spatial_stride: The N points of a frame become ``N // spatial_stride`` anchors.
        temporal_stride: Step between anchor frames.
        temporal_padding: Frames added before and after the clip.
        padding_mode: What they are: ``'replicate'`` or ``'zeros'`` (positions and features).
        norm: Batch normalisation in every layer.
        activation: ReLU in every layer.
        aggregation: ``'addition'`` or ``'multiplication'`` of displacement and feature.
        spatial_pooling: ``'max'``, ``'sum'`` or ``'avg'`` over the neighbours.
        temporal_pooling: ``'sum'``, ``'max'`` or ``'avg'`` over the frames of the window.
        bn_statistics: Statistics of the normalisations in training: ``'frame'`` (each pair of
            anchor frame and neighbour frame on its own, as published) or ``'joint'``.
        tie_order: Which of equally far points the sampling takes: ``'any'``, or
            ``'published'``, the published kernel's.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> conv = P4DConv(3, [8, 16], radius=0.5, num_neighbors=4, temporal_kernel_size=3,
        ...                spatial_stride=4, temporal_padding=(1, 1))
        >>> xyz, features = conv(torch.rand(2, 3, 32, 3), torch.rand(2, 3, 3, 32))
        >>> xyz.shape, features.shape
        (torch.Size([2, 3, 8, 3]), torch.Size([2, 3, 16, 8]))
    """

    def __init__(
        self,
        in_channels: int,
        mlp_channels: Sequence[int],
        radius: float,
        num_neighbors: int,
        temporal_kernel_size: int,
        spatial_stride: int = 1,
        temporal_stride: int = 1,
        temporal_padding: tuple[int, int] = (0, 0),
        padding_mode: str = 'replicate',
        norm: bool = True,
        activation: bool = True,
        aggregation: str = 'addition',
        spatial_pooling: str = 'max',
        temporal_pooling: str = 'sum',
        bn_statistics: str = 'frame',
        tie_order: str = 'any',
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ('padding_mode', padding_mode, PADDING_MODES),
            ('aggregation', aggregation, _AGGREGATIONS),
            ('spatial_pooling', spatial_pooling, _POOLINGS),
            ('temporal_pooling', temporal_pooling, _POOLINGS),
            ('bn_statistics', bn_statistics, STATISTICS),
            ('tie_order', tie_order, TIE_ORDERS),
        ):
            if value not in choices:
                raise ValueError(f'{name}: expected one of {choices}, got {value!r}')
        if temporal_kernel_size < 1 or temporal_kernel_size % 2 == 0:
            raise ValueError(
                f'temporal_kernel_size: expected an odd number, got {temporal_kernel_size}'
            )
        if len(temporal_padding) != 2 or min(temporal_padding) < 0:
            raise ValueError(
                f'temporal_padding: expected (before, after), none negative, got {temporal_padding}'
            )
        channels = tuple(int(number) for number in mlp_channels)
        if in_channels < 0 or num_neighbors < 1 or not channels or min(channels) < 1:
            raise ValueError(
                'expected in_channels >= 0, num_neighbors >= 1 and positive mlp_channels, got '
                f'{in_channels}, {num_neighbors} and {channels}'
            )
        if spatial_stride < 1 or temporal_stride < 1:
            raise ValueError(
                f'expected strides of at least 1, got {spatial_stride} and {temporal_stride}'
            )
        if not 0 < radius < math.inf:
            raise ValueError(f'radius: expected a positive number, got {radius}')
        self.in_channels = in_channels
        self.mlp_channels = channels
        self.out_channels = channels[-1]
        self.radius = radius
        self.num_neighbors = num_neighbors
        self.temporal_kernel_size = temporal_kernel_size
        self.spatial_stride = spatial_stride
        self.temporal_stride = temporal_stride
        self.temporal_padding = (int(temporal_padding[0]), int(temporal_padding[1]))
        self.padding_mode = padding_mode
        self.norm = norm
        self.activation = activation
        self.aggregation = aggregation
        self.spatial_pooling = spatial_pooling
        self.temporal_pooling = temporal_pooling
        self.bn_statistics = bn_statistics
        self.tie_order = tie_order

        def norm_layer(number: int) -> nn.Module | None:
            return nn.BatchNorm1d(number) if norm else None

        self.displacement_proj = nn.Linear(4, channels[0], bias=False)
        self.displacement_norm = norm_layer(channels[0])
        self.feature_proj = nn.Linear(in_channels, channels[0], bias=False) if in_channels else None
        self.feature_norm = norm_layer(channels[0]) if in_channels else None
        self.mlp_projs = nn.ModuleList(
            nn.Linear(before, after, bias=False)
            for before, after in zip(channels, channels[1:], strict=False)
        )
        self.mlp_norms = nn.ModuleList(
            nn.BatchNorm1d(number) if norm else nn.Identity() for number in channels[1:]
        )

    def extra_repr(self) -> str:
        """Options that no sub-module shows."""
        return (
            f'radius={self.radius}, num_neighbors={self.num_neighbors}, '
            f'temporal_kernel_size={self.temporal_kernel_size}, '
            f'strides=({self.spatial_stride}, {self.temporal_stride}), '
            f'temporal_padding={self.temporal_padding}, padding_mode={self.padding_mode!r}, '
            f'activation={self.activation}, aggregation={self.aggregation!r}, '
            f'pooling=({self.spatial_pooling!r}, {self.temporal_pooling!r}), '
            f'bn_statistics={self.bn_statistics!r}'
        )

    def forward(self, xyz: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve a batch of clips.

        Args:
            xyz: Positions, ``(B, T, N, 3)``; no gradient flows into them.
            features: ``(B, T, C_in, N)``, or None for ``in_channels=0``.

        Returns:
            Anchors, ``(B, T', N', 3)``, and features, ``(B, T', C_out, N')`` (channels last in
            memory).

        Raises:
            ValueError: If a shape does not fit, or the temporal size does not divide.
        """
        check_clips(xyz, features, self.in_channels, self.spatial_stride)
        num_batch, num_frames, num_points = xyz.shape[:3]
        windows = frame_windows(
            num_frames,
            self.temporal_kernel_size,
            self.temporal_stride,
            self.temporal_padding,
            self.padding_mode,
        )
        xyz = xyz.detach()
        projected = None
        if features is not None and self.feature_proj is not None:
            projected = pointwise_linear(features.transpose(2, 3), self.feature_proj.weight)
            projected = projected.to(xyz.dtype)
        if windows.pads_with_zeros:
            xyz = F.pad(xyz, (0, 0, 0, 0, 0, 1))
            projected = None if projected is None else F.pad(projected, (0, 0, 0, 0, 0, 1))
        num_samples = num_points // self.spatial_stride
        centers = sample_anchors(xyz, windows, num_frames, num_samples, tie_order=self.tie_order)
        idx = query_windows(xyz, centers, windows, num_frames, self.radius, self.num_neighbors)
        frames = torch.tensor(windows.taps)
        frames = torch.where(frames == ZERO_FRAME, num_frames, frames)
        frames = frames.to(xyz.device, non_blocking=True)

        if projected is None and len(self.mlp_channels) == 1 and not (self.norm or self.activation):
            pooled = self._pool_displacements(xyz, centers, idx, frames)
        else:
            rows = tube_rows(xyz, centers, idx, frames)
            pooled = self._pool_rows(self._combine(projected, rows, frames), rows)
            pooled = pooled.view(*centers.shape[:2], len(windows.taps[0]), centers.shape[2], -1)
            pooled = pooled.transpose(2, 3)
        return centers, _pool(pooled, 3, self.temporal_pooling).transpose(2, 3)

    def _pool_displacements(
        self, xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor
    ) -> Tensor:
        """One linear layer over displacements: nothing over the neighbours is built."""
        first = torch.arange(xyz.shape[0], device=xyz.device)[:, None, None] * xyz.shape[1]
        weight = self.displacement_proj.weight.to(xyz.dtype)
        pooled = aggregate_displaced(
            None,
            weight[:, :3],
            xyz.flatten(0, 1),
            centers.flatten(0, 1),
            idx,
            (first + frames).flatten(0, 1),
            pooling=self.spatial_pooling,
        )
        times = self.num_neighbors if self.spatial_pooling == 'sum' else 1
        pooled = pooled + times * self._offsets(xyz)[:, None] * weight[:, 3]
        return pooled.view(*centers.shape[:3], frames.shape[1], -1)

    def _offsets(self, like: Tensor) -> Tensor:
        """The taps' frame offsets, -1, 0, 1 for k_t = 3."""
        half = self.temporal_kernel_size // 2
        return torch.arange(-half, half + 1, device=like.device, dtype=like.dtype)

    def _combine(self, projected: Tensor | None, rows: TubeRows, frames: Tensor) -> Tensor:
        """Normalised displacement and feature of every row, combined: ``(R, C_1)``."""
        with no_autocast(rows.displacement):  # statistics in the positions' type
            displacement_map, displacement_shift = self._displacement_affine(rows)
            scale = shift = displacement_shift
            if projected is not None:
                scale, shift = self._feature_affine(projected, rows, frames)
                projected = projected.flatten(0, 2)
        return resolve('combine_rows', rows.displacement)(
            projected,
            scale,
            shift,
            displacement_map,
            displacement_shift,
            rows,
            self.aggregation == 'multiplication',
            self.activation,
        )

    def _displacement_affine(self, rows: TubeRows) -> tuple[Tensor, Tensor]:
        """Projection and normalisation as one map, ``(P, 3, C)``, and shift, ``(P, C)``.

        Mean and variance of the projected displacements follow from the mean and covariance of
        the displacements themselves.
        """
        weight = self.displacement_proj.weight.to(rows.displacement.dtype)
        space, time = weight[:, :3], weight[:, 3]
        steps = rows.num_pairs // self.temporal_kernel_size
        drift = self._offsets(weight).repeat(steps)[:, None] * time
        if self.displacement_norm is None:
            return space.t().expand(rows.num_pairs, -1, -1), drift
        norm: Any = self.displacement_norm

        def moments() -> tuple[Tensor, Tensor]:
            d = rows.displacement
            mean = rows.sum_by_pair(d) / rows.count
            d = d - rows.expand_pairs(mean)
            products = (d[:, :, None] * d[:, None]).flatten(1)
            covariance = (rows.sum_by_pair(products) / rows.count).view(-1, 3, 3)
            var = torch.einsum('ci,pij,cj->pc', space, covariance, space).clamp_min(0)
            return mean @ space.t() + drift, var

        mean, inverse_std, _ = normalization(norm, moments, rows.count, self.bn_statistics)
        scale = norm.weight * inverse_std
        shift = norm.bias + (drift - mean) * scale
        scale = scale.expand(rows.num_pairs, -1)
        return space.t() * scale[:, None], shift

    def _feature_affine(
        self, projected: Tensor, rows: TubeRows, frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Normalisation of the gathered features as scale and shift, twice ``(P, C)``.

        Their statistics are those of the points, each weighted by how often it is gathered.
        """
        shape = (rows.num_pairs, projected.shape[-1])
        norm: Any = self.feature_norm
        if norm is None:
            return projected.new_ones(1).expand(shape), projected.new_zeros(1).expand(shape)

        def moments() -> tuple[Tensor, Tensor]:
            counts = gather_counts(rows, projected.shape[2])[:, None]
            # about every frame's own mean: squares of large means would leave no digits
            center = projected.detach().mean((0, 2))
            points = (projected - center[:, None])[:, frames.flatten()].flatten(0, 1)

            def average(x: Tensor) -> Tensor:
                total = torch.bmm(counts, x).view(rows.num_batch, *shape).sum(0)
                return total / rows.count

            mean = average(points)
            var = (average(points.square()) - mean.square()).clamp_min(0)
            return mean + center[frames.flatten()], var

        mean, inverse_std, _ = normalization(norm, moments, rows.count, self.bn_statistics)
        scale = norm.weight * inverse_std
        return scale.expand(shape), (norm.bias - mean * scale).expand(shape)

    def _pool_rows(self, x: Tensor, rows: TubeRows) -> Tensor:
        """The further layers and the pooling over the neighbours: ``(B * P * M, C_out)``."""
        layers = list(zip(self.mlp_projs, self.mlp_norms, strict=True))
        norms = [norm if self.norm else None for _, norm in layers]
        for index, (proj, _) in enumerate(layers):
            weight: Any = proj.weight
            x = pointwise_linear(x, weight).to(rows.displacement.dtype)
            if index + 1 < len(layers):
                x = row_norm(x, rows, norms[index], self.bn_statistics, self.activation)
        last = norms[-1] if layers else None
        relu = self.activation and bool(layers)
        if self.spatial_pooling == 'max':
            return row_norm_max(x, rows, last, self.bn_statistics, relu)
        x = row_norm(x, rows, last, self.bn_statistics, relu)
        if rows.weight is not None:
            x = torch.segment_reduce(x * rows.weight[:, None], 'sum', offsets=rows.offsets, axis=0)
        else:
            x = x.view(-1, rows.num_neighbors, x.shape[1]).sum(1)
        return x / rows.num_neighbors if self.spatial_pooling == 'avg' else x
