"""PSTConv: spatial, then temporal convolution of a point cloud video."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import aggregate_displaced
from ...ops.aggregation import AGGREGATIONS, POOLINGS
from ...registry import MODELS
from .frame_batch_norm import STATISTICS, frame_norm_relu_linear
from .linear import pointwise_linear
from .tube import PADDING_MODES, ZERO_FRAME, FrameWindows, frame_windows
from .tube_query import TIE_ORDERS, check_clips, query_pairs, query_windows, sample_anchors


@MODELS.register_module()
class PSTConv(nn.Module):
    """Point spatio-temporal convolution (PSTNet, ICLR 2021).

    For every temporal anchor frame: furthest point sampling picks anchors; in each of the k_t
    frames around it a ball query finds their neighbours; projected displacements are combined
    with projected features and pooled over the neighbours; the frames' results are concatenated,
    normalised, clipped at zero and mapped by the temporal convolution.

    The result, the gradients and the running averages are those of the published layer, which
    loops over frames; here all frames are one batch, features are projected before they are
    gathered, no tensor over the neighbours exists, and taps that padding repeats are aggregated
    once.

    Args:
        in_channels: Channels of the input features; 0 for none.
        mid_channels: Channels between the spatial and the temporal part.
        out_channels: Channels of the output features.
        radius: Radius of the neighbourhoods, in units of the coordinates.
        num_neighbors: Neighbours K of an anchor in a frame; may exceed the number of points.
        temporal_kernel_size: Frames of a window, k_t; odd.
        spatial_stride: The N points of a frame become ``N // spatial_stride`` anchors.
        temporal_stride: Step between anchor frames.
        temporal_padding: Frames added before and after the clip.
        padding_mode: What they are: ``'zeros'`` (positions and features) or ``'replicate'``.
        aggregation: ``'multiplication'`` or ``'addition'`` of displacement and feature.
        pooling: ``'sum'``, ``'max'`` or ``'avg'`` over the neighbours.
        bn_statistics: Statistics of the normalisation in training: ``'frame'`` (each anchor
            frame on its own, as published) or ``'joint'``.
        prefix_sampling: Take the first points of a frame as anchors instead of sampling. For
            points that come from furthest point sampling (the output of a PSTConv) this gives
            the same anchors unless distances tie.
        tie_order: Which of equally far points the sampling takes: ``'any'``, or
            ``'published'``, the published kernel's.
        recompute: Normalise and clip a second time in the backward pass instead of keeping the
            result: less memory, the same gradients and running averages.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> conv = PSTConv(0, 8, 16, radius=0.5, num_neighbors=4, temporal_kernel_size=3,
        ...                spatial_stride=2, temporal_stride=2, temporal_padding=(1, 0))
        >>> xyz, features = conv(torch.rand(2, 4, 32, 3), None)
        >>> xyz.shape, features.shape
        (torch.Size([2, 2, 16, 3]), torch.Size([2, 2, 16, 16]))
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        radius: float,
        num_neighbors: int,
        temporal_kernel_size: int,
        spatial_stride: int = 1,
        temporal_stride: int = 1,
        temporal_padding: tuple[int, int] = (0, 0),
        padding_mode: str = 'zeros',
        aggregation: str = 'multiplication',
        pooling: str = 'sum',
        bn_statistics: str = 'frame',
        prefix_sampling: bool = False,
        tie_order: str = 'any',
        recompute: bool = False,
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ('padding_mode', padding_mode, PADDING_MODES),
            ('aggregation', aggregation, AGGREGATIONS),
            ('pooling', pooling, POOLINGS),
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
        if in_channels < 0 or min(mid_channels, out_channels, num_neighbors) < 1:
            raise ValueError(
                'expected in_channels >= 0 and mid_channels, out_channels, num_neighbors >= 1, '
                f'got {in_channels}, {mid_channels}, {out_channels}, {num_neighbors}'
            )
        if spatial_stride < 1 or temporal_stride < 1:
            raise ValueError(
                f'expected strides of at least 1, got {spatial_stride} and {temporal_stride}'
            )
        if not 0 < radius < math.inf:
            raise ValueError(f'radius: expected a positive number, got {radius}')
        self.in_channels = in_channels
        self.mid_channels = mid_channels
        self.out_channels = out_channels
        self.radius = radius
        self.num_neighbors = num_neighbors
        self.temporal_kernel_size = temporal_kernel_size
        self.spatial_stride = spatial_stride
        self.temporal_stride = temporal_stride
        self.temporal_padding = (int(temporal_padding[0]), int(temporal_padding[1]))
        self.padding_mode = padding_mode
        self.aggregation = aggregation
        self.pooling = pooling
        self.bn_statistics = bn_statistics
        self.prefix_sampling = prefix_sampling
        self.tie_order = tie_order
        self.recompute = recompute

        self.displacement_proj = nn.Linear(3, mid_channels, bias=False)
        self.feature_proj = (
            nn.Linear(in_channels, mid_channels, bias=False) if in_channels else None
        )
        self.norm = nn.BatchNorm1d(temporal_kernel_size * mid_channels)
        self.temporal_proj = nn.Linear(
            temporal_kernel_size * mid_channels, out_channels, bias=False
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as published: uniform, gain sqrt(2 / (1 + 5)).

        The fan-in is in + 3 for the two spatial projections together, and k_t * mid for the
        temporal one.
        """
        gain = math.sqrt(2 / (1 + 5))
        bound = math.sqrt(3) * gain / math.sqrt(self.in_channels + 3)
        nn.init.uniform_(self.displacement_proj.weight, -bound, bound)
        if self.feature_proj is not None:
            nn.init.uniform_(self.feature_proj.weight, -bound, bound)
        bound = math.sqrt(3) * gain / math.sqrt(self.temporal_kernel_size * self.mid_channels)
        nn.init.uniform_(self.temporal_proj.weight, -bound, bound)
        self.norm.reset_parameters()

    def extra_repr(self) -> str:
        """Options that no sub-module shows."""
        return (
            f'radius={self.radius}, num_neighbors={self.num_neighbors}, '
            f'temporal_kernel_size={self.temporal_kernel_size}, '
            f'strides=({self.spatial_stride}, {self.temporal_stride}), '
            f'temporal_padding={self.temporal_padding}, padding_mode={self.padding_mode!r}, '
            f'aggregation={self.aggregation!r}, pooling={self.pooling!r}, '
            f'bn_statistics={self.bn_statistics!r}, recompute={self.recompute}'
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
        num_frames, num_points = xyz.shape[1:3]
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
        # a product with features of zeros adds nothing: such taps are skipped
        skip_zeros = projected is not None and self.aggregation == 'multiplication'
        zero_frame = ZERO_FRAME
        if (windows.pads_with_zeros and not skip_zeros) or ZERO_FRAME in windows.anchors:
            zero_frame = num_frames
            xyz = F.pad(xyz, (0, 0, 0, 0, 0, 1))
            projected = None if projected is None else F.pad(projected, (0, 0, 0, 0, 0, 1))

        num_samples = num_points // self.spatial_stride
        centers = sample_anchors(
            xyz, windows, zero_frame, num_samples, self.prefix_sampling, self.tie_order
        )
        zero_tap = ZERO_FRAME if skip_zeros else zero_frame
        sharing = windows.repeats
        pooled = (self._pool_pairs if sharing else self._pool_windows)(
            projected, xyz, centers, windows, zero_tap
        )
        slots = torch.tensor(windows.pairs()[1]).to(xyz.device) if sharing else None
        out = frame_norm_relu_linear(
            pooled,
            self.norm,
            self.temporal_proj.weight,
            self.bn_statistics,
            slots,
            self.recompute,
        )
        return centers, out.transpose(2, 3)

    def _pool_windows(
        self,
        projected: Tensor | None,
        xyz: Tensor,
        centers: Tensor,
        windows: FrameWindows,
        zero_tap: int,
    ) -> Tensor:
        """Aggregate every tap of every window: ``(B, L, M, k_t * mid)``."""
        idx = query_windows(xyz, centers, windows, zero_tap, self.radius, self.num_neighbors)
        taps = [
            [zero_tap if frame == ZERO_FRAME else frame for frame in window]
            for window in windows.taps
        ]
        pooled = self._aggregate(projected, xyz, centers, idx, taps)
        return pooled.view(*centers.shape[:3], -1)

    def _pool_pairs(
        self,
        projected: Tensor | None,
        xyz: Tensor,
        centers: Tensor,
        windows: FrameWindows,
        zero_tap: int,
    ) -> Tensor:
        """Aggregate every distinct (window, frame) pair once: ``(B, P, M, mid)``.

        Padding makes windows read a frame several times; on short clips that is up to two thirds
        of all taps.
        """
        pairs = [
            (step, zero_tap if frame == ZERO_FRAME else frame) for step, frame in windows.pairs()[0]
        ]
        # where a frame of zeros is skipped its neighbours do not matter
        asked = [
            (step, windows.anchors[step] if frame == ZERO_FRAME else frame) for step, frame in pairs
        ]
        idx = query_pairs(xyz, centers, asked, self.radius, self.num_neighbors)
        pooled = self._aggregate(
            projected,
            xyz,
            centers[:, [step for step, _ in pairs]],
            idx.flatten(0, 1)[:, None],
            [[frame] for _, frame in pairs],
        )
        return pooled.view(xyz.shape[0], len(pairs), centers.shape[2], -1)

    def _aggregate(
        self,
        projected: Tensor | None,
        xyz: Tensor,
        centers: Tensor,
        idx: Tensor,
        taps: list[list[int]],
    ) -> Tensor:
        """Run :func:`mmpointvideo.ops.aggregate_displaced` on a batch of clips.

        Args:
            projected: ``(B, T, N, mid)`` or None.
            xyz: ``(B, T, N, 3)``.
            centers: ``(B, A, M, 3)``.
            idx: ``(B * A, S, M, K)``.
            taps: Source frames, A lists of S.

        Returns:
            ``(B * A, M, S, mid)``.
        """
        source = torch.tensor(taps)
        first = torch.arange(xyz.shape[0])[:, None, None] * xyz.shape[1]
        frames = torch.where(source < 0, source, source + first).flatten(0, 1)
        return aggregate_displaced(
            None if projected is None else projected.flatten(0, 1),
            self.displacement_proj.weight,
            xyz.flatten(0, 1),
            centers.flatten(0, 1),
            idx,
            frames.to(xyz.device, non_blocking=True),
            self.aggregation,
            self.pooling,
        )
