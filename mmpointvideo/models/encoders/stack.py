"""What the encoders share: a stack of convolutions, and the clips that it takes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.tube import output_frames
from ..layers.tube_query import check_features, check_positions


class ConvStack(nn.Module):
    """Point 4D or spatio-temporal convolutions, each on the output of the one before.

    Attributes:
        in_channels: Channels of the input features; 0 for positions alone.
        layer_names: Names of the layers, in order.
    """

    in_channels: int
    layer_names: tuple[str, ...]

    @property
    def convs(self) -> list[Any]:
        """The layers in order."""
        return [self.get_submodule(name) for name in self.layer_names]

    def frames_after(self, num_frames: int) -> int | None:
        """Number of frames T' that T frames become, or None where a stride does not divide."""
        frames: int | None = num_frames
        for conv in self.convs:
            if frames is None:
                return None
            frames = output_frames(
                frames, conv.temporal_kernel_size, conv.temporal_stride, conv.temporal_padding
            )
        return frames

    def check_clips(self, xyz: Tensor, features: Tensor | None) -> None:
        """Raise unless the layers can take a batch of clips.

        Args:
            xyz: To be ``(B, T, N, 3)``.
            features: To be ``(B, T, in_channels, N)``, or None for ``in_channels=0``.

        Raises:
            TypeError: If their type is not that of the weights.
            ValueError: If a shape does not fit, the temporal strides do not divide T, or N is less
                than all spatial strides together need.
        """
        check_positions(xyz)
        check_features(features, self.in_channels, xyz)
        weights = next(self.parameters()).dtype
        for name, values in (('xyz', xyz), ('features', features)):
            if values is None or torch.is_autocast_enabled(values.device.type):
                continue
            if values.dtype != weights:
                raise TypeError(
                    f'{name}: expected {weights}, as the weights of {type(self).__name__} are, '
                    f'got {values.dtype}: convert one of them'
                )
        if self.frames_after(xyz.shape[1]) is None:
            allowed = [frames for frames in range(1, 65) if self.frames_after(frames) is not None]
            raise ValueError(
                f'expected a number of frames that the temporal strides divide, got '
                f'{xyz.shape[1]}; these layers take {", ".join(map(str, allowed))}'
            )
        strides = [conv.spatial_stride for conv in self.convs]
        if xyz.shape[2] < math.prod(strides):
            raise ValueError(
                f'expected at least {math.prod(strides)} points a frame for spatial strides of '
                f'{" x ".join(map(str, strides))}, got {xyz.shape[2]}'
            )
