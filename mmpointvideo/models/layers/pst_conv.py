"""PSTConv: spatial, then temporal convolution of a point cloud video."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...ops import aggregate_displaced
from ...ops.aggregation import AGGREGATIONS, POOLINGS
from ...registry import MODELS
from .frame_batch_norm import STATISTICS, frame_norm_relu_linear
from .linear import pointwise_linear
from .point_tubes import PointTubes, append_zero_frame
from .tube import PADDING_MODES, ZERO_FRAME, frame_windows
from .tube_query import (
    TIE_ORDERS,
    check_features,
    check_positions,
    query_pairs,
    query_windows,
    sample_anchors,
)


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

    @property
    def takes_statistics(self) -> bool:
        """Whether batch norm takes the statistics of the batch, and so needs every anchor."""
        return self.norm.training or self.norm.running_mean is None

    def query(self, xyz: Tensor) -> PointTubes:
        """Sample anchors and query their neighbours in every frame of their windows.

        Args:
            xyz: Positions, ``(B, T, N, 3)``.

        Returns:
            The tubes, to be given to :meth:`forward`.

        Raises:
            ValueError: If the shape does not fit, or the temporal size does not divide.
        """
        check_positions(xyz, self.spatial_stride)
        batch, num_frames, num_points = xyz.shape[:3]
        windows = frame_windows(
            num_frames,
            self.temporal_kernel_size,
            self.temporal_stride,
            self.temporal_padding,
            self.padding_mode,
        )
        xyz = xyz.detach()
        # a product with features of zeros adds nothing: such taps are skipped
        skip_zeros = self.in_channels > 0 and self.aggregation == 'multiplication'
        zero_frame = ZERO_FRAME
        if (windows.pads_with_zeros and not skip_zeros) or ZERO_FRAME in windows.anchors:
            zero_frame = num_frames
            xyz = append_zero_frame(xyz)
        centers = sample_anchors(
            xyz,
            windows,
            zero_frame,
            num_points // self.spatial_stride,
            self.prefix_sampling,
            self.tie_order,
        )
        zero_tap = ZERO_FRAME if skip_zeros else zero_frame
        # taps that padding repeats are queried and aggregated once
        slots = None
        if windows.repeats:
            pairs, of_taps = windows.pairs()
            slots = torch.tensor(of_taps).to(xyz.device)
            steps = [step for step, _ in pairs]
            taps = [[zero_tap if frame == ZERO_FRAME else frame] for _, frame in pairs]
            # where a frame of zeros is skipped its neighbours do not matter
            asked = [
                (step, windows.anchors[step] if tap == ZERO_FRAME else tap)
                for step, (tap,) in zip(steps, taps, strict=True)
            ]
            idx = query_pairs(xyz, centers, asked, self.radius, self.num_neighbors)
            idx = idx.flatten(0, 1)[:, None]
        else:
            steps = list(range(len(windows.taps)))
            taps = [
                [zero_tap if frame == ZERO_FRAME else frame for frame in window]
                for window in windows.taps
            ]
            idx = query_windows(xyz, centers, windows, zero_tap, self.radius, self.num_neighbors)
        source = torch.tensor(taps)
        first = torch.arange(batch)[:, None, None] * xyz.shape[1]
        frames = torch.where(source < 0, source, source + first).flatten(0, 1)
        return PointTubes(
            xyz,
            num_frames,
            centers,
            idx,
            frames.to(xyz.device, non_blocking=True),
            steps,
            slots,
        )

    def forward(
        self, xyz: Tensor | PointTubes, features: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Convolve a batch of clips.

        Args:
            xyz: Positions, ``(B, T, N, 3)``; no gradient flows into them. Or what :meth:`query`
                returned for them, or a part of that: N is then the number of its points a frame,
                and N' that of the anchors it asks for.
            features: ``(B, T, C_in, N)``, or None for ``in_channels=0``.

        Returns:
            Anchors, ``(B, T', N', 3)``, and features, ``(B, T', C_out, N')`` (channels last in
            memory).

        Raises:
            ValueError: If a shape does not fit, or the temporal size does not divide.
        """
        tubes = xyz if isinstance(xyz, PointTubes) else self.query(xyz)
        source = tubes.xyz[:, : tubes.num_frames]
        check_features(features, self.in_channels, source)
        projected = None
        if features is not None and self.feature_proj is not None:
            projected = pointwise_linear(features.transpose(2, 3), self.feature_proj.weight)
            if tubes.xyz.shape[1] > source.shape[1]:
                projected = append_zero_frame(projected)
            projected = projected.flatten(0, 1)
        pooled = aggregate_displaced(
            projected,
            self.displacement_proj.weight,
            tubes.xyz.flatten(0, 1),
            tubes.anchors,
            tubes.idx,
            tubes.frames,
            self.aggregation,
            self.pooling,
        )
        out = frame_norm_relu_linear(
            pooled.view(source.shape[0], len(tubes.steps), pooled.shape[1], -1),
            self.norm,
            self.temporal_proj.weight,
            self.bn_statistics,
            tubes.slots,
            tubes.rows,
            self.recompute,
        )
        return tubes.asked_centers, out.transpose(2, 3)
