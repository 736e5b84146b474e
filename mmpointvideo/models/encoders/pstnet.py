"""The PSTNet encoder."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ...registry import MODELS
from ..layers.point_tubes import PointTubes, take_points
from ..layers.pst_conv import PSTConv
from .stack import ConvStack
from .width import scale_channels

# name: mid, out, radius factor, k_t, spatial stride, temporal stride, temporal padding
_TABLE = {
    'conv1': (45, 64, 1, 1, 2, 1, (0, 0)),
    'conv2a': (96, 128, 2, 3, 2, 2, (1, 0)),
    'conv2b': (192, 256, 2, 3, 1, 1, (1, 1)),
    'conv3a': (384, 512, 4, 3, 2, 2, (1, 0)),
    'conv3b': (768, 1024, 4, 3, 1, 1, (1, 1)),
    'conv4': (1536, 2048, 4, 1, 2, 1, (0, 0)),
}
_VARIANTS = {
    'msr': dict(aggregation='multiplication', pooling='sum'),
    'ntu': dict(aggregation='addition', pooling='max'),
}


@MODELS.register_module()
class PSTNetEncoder(ConvStack):
    """Six PSTConv layers, ReLU after each but the last (PSTNet, ICLR 2021).

    With the ``'msr'`` layers T must be a multiple of 4 and becomes T / 4 frames; the N points of a
    frame become ``N // 16`` superpoints.

    Args:
        in_channels: Channels of the input features; 0 for positions alone.
        radius: Radius r of the first layer, in units of the coordinates (2r and 4r follow).
        num_neighbors: Neighbours of an anchor in a frame.
        width: Factor on all channel numbers, each rounded to a multiple of 4, for narrow
            networks.
        variant: ``'msr'`` (multiplication, sum pooling, temporal padding) or ``'ntu'`` (addition,
            max pooling, no temporal padding: T = 19, 23, 27, ...).
        padding_mode: Padding in time. ``'zeros'`` as published. ``'replicate'`` for an encoder
            that sees segments of 4 frames in pre-training and longer clips later: with zeros the
            outer taps of the last layers never see anything on 4 frames.
        aggregation: Overrides the variant's.
        pooling: Overrides the variant's.
        bn_statistics: ``'frame'`` as published, or ``'joint'``.
        prefix_sampling: Reuse the order of the first layer's furthest point sampling in the later
            layers (the same anchors unless distances tie).
        tie_order: Which of equally far points the sampling takes: ``'any'``, or
            ``'published'``, the published kernel's.
        recompute: Normalise and clip a second time in the backward pass instead of keeping the
            results: less memory, the same gradients and running averages.
        skip_unread: Leave out the features of points that no later layer reads. A ball query takes
            the first neighbours in its ball, so most points of the later layers are nobody's
            neighbour. Outputs, gradients and statistics are the same.
        layers: Overrides single options of single layers, ``dict(conv3a=dict(mid_channels=284))``;
            keys are arguments of :class:`PSTConv`.

    Attributes:
        out_channels: Channels of the output features.

    Raises:
        ValueError: If an option is unknown or out of range.

    Example:
        >>> encoder = PSTNetEncoder(width=0.125, padding_mode='replicate')
        >>> xyz, features = encoder(torch.rand(2, 8, 128, 3), None)
        >>> xyz.shape, features.shape
        (torch.Size([2, 2, 8, 3]), torch.Size([2, 2, 256, 8]))
    """

    def __init__(
        self,
        in_channels: int = 0,
        radius: float = 0.5,
        num_neighbors: int = 9,
        width: float = 1.0,
        variant: str = 'msr',
        padding_mode: str = 'zeros',
        aggregation: str | None = None,
        pooling: str | None = None,
        bn_statistics: str = 'frame',
        prefix_sampling: bool = False,
        tie_order: str = 'any',
        recompute: bool = False,
        skip_unread: bool = True,
        layers: dict[str, dict] | None = None,
    ) -> None:
        super().__init__()
        if variant not in _VARIANTS:
            raise ValueError(f'variant: expected one of {sorted(_VARIANTS)}, got {variant!r}')
        if width <= 0:
            raise ValueError(f'width: expected a positive factor, got {width}')
        overrides = layers or {}
        unknown = set(overrides) - set(_TABLE)
        if unknown:
            raise ValueError(f'layers: expected names out of {list(_TABLE)}, got {sorted(unknown)}')
        self.in_channels = in_channels
        self.layer_names = tuple(_TABLE)
        self.skip_unread = skip_unread
        channels = in_channels
        for name, (mid, out, factor, k_t, space, time, padding) in _TABLE.items():
            options = dict(
                in_channels=channels,
                mid_channels=scale_channels(mid, width),
                out_channels=scale_channels(out, width),
                radius=factor * radius,
                num_neighbors=num_neighbors,
                temporal_kernel_size=k_t,
                spatial_stride=space,
                temporal_stride=time,
                temporal_padding=padding if variant == 'msr' else (0, 0),
                padding_mode=padding_mode,
                aggregation=aggregation or _VARIANTS[variant]['aggregation'],
                pooling=pooling or _VARIANTS[variant]['pooling'],
                bn_statistics=bn_statistics,
                prefix_sampling=prefix_sampling and name != 'conv1',
                tie_order=tie_order,
                recompute=recompute,
            )
            layer = PSTConv(**(options | overrides.get(name, {})))  # type: ignore[arg-type]
            self.add_module(name, layer)
            channels = layer.out_channels
        self.out_channels: int = channels

    @torch.no_grad()
    def points_read(self, xyz: Tensor) -> list[float]:
        """Share of its source points that a layer in training is given the features of.

        It depends on the points: the more balls overlap, the fewer. Every frame is filled up to
        the fullest one of the batch.

        Args:
            xyz: Positions, ``(B, T, N, 3)``.

        Returns:
            Five numbers in (0, 1], of the layers after the first.
        """
        return [
            tube.only_read_points()[0].xyz.shape[2] / tube.xyz.shape[2]
            for tube in self._query(xyz)[1:]
        ]

    def forward(self, xyz: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a batch of clips.

        Args:
            xyz: Positions, ``(B, T, N, 3)``.
            features: ``(B, T, C, N)``, or None for ``in_channels=0``.

        Returns:
            Superpoints, ``(B, T', N', 3)``, and features, ``(B, T', C', N')``.

        Raises:
            ValueError: If a shape does not fit or the temporal size does not divide.
        """
        self.check_clips(xyz, features)
        tubes = self._query(xyz)
        points = tubes[-1].centers
        if self.skip_unread:
            features = self._skip_unread(tubes, features)
        for conv, tube in zip(self.convs, tubes, strict=True):
            if tube is not tubes[0]:
                assert features is not None
                features = F.relu(features)
            features = conv(tube, features)[1]
        assert features is not None
        return points, features

    def _query(self, xyz: Tensor) -> list[PointTubes]:
        """The tubes of every layer; a layer's anchors are the points of the next."""
        tubes: list[PointTubes] = []
        for conv in self.convs:
            tubes.append(conv.query(tubes[-1].centers if tubes else xyz))
        return tubes

    def _skip_unread(self, tubes: list[PointTubes], features: Tensor | None) -> Tensor | None:
        """Shrink the layers' tubes, in place, to what the layer above reads.

        Returns:
            The input features that the first layer reads.
        """
        for below, above in reversed(list(pairwise(range(len(tubes))))):
            tubes[above], rows = tubes[above].only_read_points()
            if rows is None:
                continue
            if self.convs[below].takes_statistics:  # of all anchors, read or not
                tubes[below] = tubes[below]._replace(rows=rows)
            else:
                tubes[below] = tubes[below].only_anchors(rows)
        if features is None:
            return None
        tubes[0], rows = tubes[0].only_read_points()
        if rows is None:
            return features
        return take_points(features.transpose(2, 3), rows).transpose(2, 3)
