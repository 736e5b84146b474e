"""P4DTransConv: feature propagation from fewer points to more, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ...ops import three_interpolate, three_nn
from ...registry import MODELS
from .frame_batch_norm import STATISTICS, frame_norm_relu
from .interpolation import inverse_distance_weights
from .linear import pointwise_linear
from .tube_query import check_clips


@MODELS.register_module()
class P4DTransConv(nn.Module):
    """Interpolate features to more points, add a skip connection, and map them.

    Inverse-distance weights over the three nearest points of the same frame; then layers of
    projection, batch normalisation and ReLU over the concatenation with the skip features
    (P4Transformer's decoder, CVPR 2021). A projection commutes with the interpolation, so the
    features are projected at the fewer points and nothing is concatenated; the result is the
    same.

    Args:
        in_channels: Channels of the features to propagate.
        mlp_channels: Output channels of the layers.
        skip_channels: Channels of the skip features; 0 for none.
        bn_statistics: Statistics of the normalisations in training: ``'frame'`` (each frame on
            its own, as published) or ``'joint'``.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> conv = P4DTransConv(8, [16, 16], skip_channels=3)
        >>> conv(torch.rand(2, 3, 10, 3), torch.rand(2, 3, 40, 3), torch.rand(2, 3, 8, 10),
        ...      torch.rand(2, 3, 3, 40)).shape
        torch.Size([2, 3, 16, 40])
    """

    def __init__(
        self,
        in_channels: int,
        mlp_channels: Sequence[int],
        skip_channels: int = 0,
        bn_statistics: str = 'frame',
    ) -> None:
        super().__init__()
        channels = tuple(int(number) for number in mlp_channels)
        if in_channels < 1 or skip_channels < 0 or not channels or min(channels) < 1:
            raise ValueError(
                'expected in_channels >= 1, skip_channels >= 0 and positive mlp_channels, got '
                f'{in_channels}, {skip_channels} and {channels}'
            )
        if bn_statistics not in STATISTICS:
            raise ValueError(f'bn_statistics: expected one of {STATISTICS}, got {bn_statistics!r}')
        self.in_channels = in_channels
        self.skip_channels = skip_channels
        self.out_channels = channels[-1]
        self.bn_statistics = bn_statistics
        self.projs = nn.ModuleList(
            nn.Linear(before, after, bias=False)
            for before, after in zip(
                (in_channels + skip_channels, *channels), channels, strict=False
            )
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(number) for number in channels)

    def forward(
        self,
        xyz: Tensor,
        target_xyz: Tensor,
        features: Tensor,
        skip_features: Tensor | None = None,
    ) -> Tensor:
        """Propagate features.

        Args:
            xyz: Positions that have features, ``(B, T, N', 3)``.
            target_xyz: Positions to carry them to, ``(B, T, N, 3)``.
            features: ``(B, T, C_in, N')``.
            skip_features: ``(B, T, C_skip, N)``, or None for ``skip_channels=0``.

        Returns:
            ``(B, T, C_out, N)`` (channels last in memory).

        Raises:
            ValueError: If a shape does not fit.
        """
        check_clips(xyz, features, self.in_channels)
        check_clips(target_xyz, skip_features, self.skip_channels)
        if xyz.shape[:2] != target_xyz.shape[:2]:
            raise ValueError(
                f'expected clips and frames of xyz {tuple(xyz.shape)} and target_xyz '
                f'{tuple(target_xyz.shape)} to agree'
            )
        num_clips, num_frames, num_points = target_xyz.shape[:3]
        first: Any = self.projs[0].weight
        norms: Any = self.norms
        x = pointwise_linear(features.transpose(2, 3), first[:, : self.in_channels])
        x = x.to(xyz.dtype).flatten(0, 1).transpose(1, 2).contiguous()
        distance, idx = three_nn(target_xyz.flatten(0, 1), xyz.flatten(0, 1))
        x = three_interpolate(x, idx, inverse_distance_weights(distance))
        x = x.transpose(1, 2).reshape(num_clips, num_frames, num_points, -1)
        if skip_features is not None:
            x = x + pointwise_linear(skip_features.transpose(2, 3), first[:, self.in_channels :])
        x = frame_norm_relu(x, norms[0], self.bn_statistics)
        for proj, norm in zip(self.projs[1:], norms[1:], strict=True):
            weight: Any = proj.weight
            x = pointwise_linear(x, weight).to(xyz.dtype)
            x = frame_norm_relu(x, norm, self.bn_statistics)
        return x.transpose(2, 3)
