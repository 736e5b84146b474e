"""The P4Transformer encoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from ..layers.p4d_conv import P4DConv
from ..layers.transformer import Transformer
from .stack import ConvStack
from .width import scale_channels

# name: MLP, radius factor, k_t, spatial stride, temporal stride, temporal padding
_TABLES: dict[str, dict[str, tuple]] = {
    'scene': {
        'conv1': ((32, 64, 128), 1, 1, 4, 1, (0, 0)),
        'conv2': ((128, 128, 256), 2, 1, 4, 1, (0, 0)),
        'conv3': ((256, 256, 512), 4, 3, 4, 1, (1, 1)),
        'conv4': ((512, 512, 1024), 8, 1, 2, 1, (0, 0)),
    },
    'action': {'tube': ((1024,), 1, 3, 32, 2, (1, 0))},
}
_TUBE = dict(norm=False, activation=False, temporal_pooling='max')
# depth, heads, width of a head, width of the MLP
_TRANSFORMERS = {'scene': (2, 4, 256, 1024), 'action': (5, 8, 128, 2048)}


@MODELS.register_module()
class P4TransformerEncoder(ConvStack):
    """P4DConv layers, then a transformer over all tokens of a clip (P4Transformer, CVPR 2021).

    The ``'scene'`` variant has four layers with normalisation and ReLU, a ReLU before the
    transformer, and no positional embedding; it keeps the number of frames, any T, and the N
    points of a frame become ``N // 4 // 4 // 4 // 2`` superpoints. The ``'action'`` variant has
    one linear tube embedding (T even, T / 2 frames of ``N // 32`` superpoints) and adds a learned
    linear embedding of (x, y, z, t), t counted from 1.

    Args:
        variant: ``'scene'`` or ``'action'``.
        in_channels: Channels of the input features: 3 for colours, 0 for positions alone.
        radius: Radius r of the first layer, in units of the coordinates (2r, 4r and 8r follow).
        num_neighbors: Neighbours of an anchor in a frame.
        width: Factor on all channel numbers, each rounded to a multiple of 4, for narrow
            networks.
        depth: Number of transformer blocks; the variant's by default (2 or 5).
        aggregation: Of displacement and feature: ``'addition'`` as in the paper. The released
            segmentation code multiplies, because the option's name is misspelt there.
        bn_statistics: ``'frame'`` as published, or ``'joint'``.
        tie_order: Which of equally far points the sampling takes: ``'any'``, or
            ``'published'``, the published kernel's.
        layers: Overrides single options of single layers,
            ``dict(conv1=dict(num_neighbors=16))``; keys are arguments of :class:`P4DConv`.

    Attributes:
        out_channels: Channels of the output features.
        level_channels: Channels of all levels of :meth:`forward_levels`.

    Raises:
        ValueError: If an option is unknown or out of range.

    Example:
        >>> encoder = P4TransformerEncoder('scene', in_channels=3, radius=0.9, width=1 / 32)
        >>> xyz, features = encoder(torch.rand(2, 3, 256, 3), torch.rand(2, 3, 3, 256))
        >>> xyz.shape, features.shape
        (torch.Size([2, 3, 2, 3]), torch.Size([2, 3, 32, 2]))
    """

    def __init__(
        self,
        variant: str,
        in_channels: int,
        radius: float,
        num_neighbors: int = 32,
        width: float = 1.0,
        depth: int | None = None,
        aggregation: str = 'addition',
        bn_statistics: str = 'frame',
        tie_order: str = 'any',
        layers: dict[str, dict] | None = None,
    ) -> None:
        super().__init__()
        if variant not in _TABLES:
            raise ValueError(f'variant: expected one of {sorted(_TABLES)}, got {variant!r}')
        if width <= 0:
            raise ValueError(f'width: expected a positive factor, got {width}')
        table = _TABLES[variant]
        overrides = layers or {}
        unknown = set(overrides) - set(table)
        if unknown:
            raise ValueError(f'layers: expected names out of {list(table)}, got {sorted(unknown)}')
        self.variant = variant
        self.in_channels = in_channels
        self.layer_names = tuple(table)
        self.level_channels = [in_channels]
        for name, (mlp, factor, k_t, space, time, padding) in table.items():
            options = dict(
                in_channels=self.level_channels[-1],
                mlp_channels=[scale_channels(number, width) for number in mlp],
                radius=factor * radius,
                num_neighbors=num_neighbors,
                temporal_kernel_size=k_t,
                spatial_stride=space,
                temporal_stride=time,
                temporal_padding=padding,
                aggregation=aggregation,
                bn_statistics=bn_statistics,
                tie_order=tie_order,
            )
            if variant == 'action':
                options |= _TUBE
            layer = P4DConv(**(options | overrides.get(name, {})))  # type: ignore[arg-type]
            self.add_module(name, layer)
            self.level_channels.append(layer.out_channels)
        channels = self.level_channels[-1]
        self.out_channels: int = channels
        self.position = nn.Linear(4, channels) if variant == 'action' else None
        blocks, heads, head_channels, mlp_channels = _TRANSFORMERS[variant]
        self.transformer = Transformer(
            channels,
            blocks if depth is None else depth,
            heads,
            scale_channels(head_channels, width),
            scale_channels(mlp_channels, width),
            output_activation=True,
        )

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
        xyz, encoded = self.forward_levels(xyz, features)[-1]
        assert encoded is not None
        return xyz, encoded

    def forward_levels(
        self, xyz: Tensor, features: Tensor | None = None
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Encode, and keep what every layer gave, for a decoder.

        Args:
            xyz: Positions, ``(B, T, N, 3)``.
            features: ``(B, T, C, N)``, or None for ``in_channels=0``.

        Returns:
            Positions and features from fine to coarse: the input, the output of every layer but
            the last, the output of the encoder.

        Raises:
            ValueError: As :meth:`forward`.
        """
        self.check_clips(xyz, features)
        levels: list[tuple[Tensor, Tensor | None]] = [(xyz, features)]
        for conv in self.convs:
            levels.append(conv(*levels[-1]))
        xyz, encoded = levels[-1]
        assert encoded is not None
        levels[-1] = xyz, self._mix(xyz, encoded)
        return levels

    def _mix(self, xyz: Tensor, features: Tensor) -> Tensor:
        """The transformer over all tokens of a clip: ``(B, T, C, N)`` to the same."""
        tokens = features.transpose(2, 3)
        if self.position is None:
            tokens = F.relu(tokens)
        else:
            time = torch.arange(1, xyz.shape[1] + 1, device=xyz.device, dtype=xyz.dtype)
            time = time[None, :, None, None].expand(*xyz.shape[:3], 1)
            tokens = tokens + self.position(torch.cat([xyz, time], dim=3))
        mixed = self.transformer(tokens.flatten(1, 2))
        return mixed.view(tokens.shape).transpose(2, 3)
