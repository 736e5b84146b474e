"""Segmentation of every point of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpointvideo.models.layers.p4d_trans_conv import P4DTransConv
from mmpointvideo.models.layers.tube_query import check_clips
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.utils.dist import reduce_sum
from mmpointvideo.utils.precision import at_least_float32

Levels = Sequence[tuple[Tensor, Tensor | None]]


@MODELS.register_module()
class PointSegHead(BaseModule):
    """Decoder with skip connections and a classifier of points.

    From the coarsest level of an encoder to the input points: features are interpolated to the
    points of the next finer level, joined with its features, and mapped (``P4DTransConv``); then
    one linear layer. All levels need the same number of frames.

    The loss is the cross-entropy times the weight of the true class, averaged over the points that
    count: those with a label inside the sample's ``loss_mask``. (As published, the sum is divided
    by their number, not by their weights.)

    Args:
        in_channels: Channels of the levels from fine to coarse, the input features first (0 for
            none).
        decoder_channels: Output channels of the layers of each decoder step, from coarse to fine,
            one step less than there are levels.
        num_classes: Number of classes.
        class_weights: A weight for every class; None or empty: all 1.
        ignore_index: Label of points that do not count.
        bn_statistics: ``'frame'`` as published, or ``'joint'``.
        with_logits: Prediction also writes ``pts_seg_logits``.
        init_cfg: Initialisation.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        decoder_channels: Sequence[Sequence[int]],
        num_classes: int,
        class_weights: Sequence[float] | None = None,
        ignore_index: int = 255,
        bn_statistics: str = 'frame',
        with_logits: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) < 2 or len(decoder_channels) != len(in_channels) - 1:
            raise ValueError(
                'expected two levels or more and one decoder step less, got in_channels='
                f'{list(in_channels)} and decoder_channels={list(decoder_channels)}'
            )
        if class_weights is None or len(class_weights) == 0:
            class_weights = [1.0] * num_classes
        weights = torch.as_tensor(class_weights).to(torch.float32, copy=True)
        if weights.shape != (num_classes,) or not bool((weights > 0).all()):
            raise ValueError(
                f'class_weights: expected {num_classes} positive numbers, got {class_weights}'
            )
        if 0 <= ignore_index < num_classes:
            raise ValueError(f'ignore_index: expected no class, got {ignore_index}')
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.with_logits = with_logits
        channels = in_channels[-1]
        self.steps = nn.ModuleList()
        for skip, mlp in zip(reversed(in_channels[:-1]), decoder_channels, strict=True):
            step = P4DTransConv(channels, mlp, skip, bn_statistics)
            channels = step.out_channels
            self.steps.append(step)
        self.classifier = nn.Linear(channels, num_classes)
        self.register_buffer('class_weights', weights, persistent=False)

    def forward(self, levels: Levels) -> Tensor:
        """Decode.

        Args:
            levels: Positions ``(B, T, N_i, 3)`` and features ``(B, T, C_i, N_i)`` or None, from
                fine to coarse, as an encoder's ``forward_levels`` gives them.

        Returns:
            Logits, ``(B, T, num_classes, N_0)``.

        Raises:
            ValueError: If the levels do not fit.
        """
        if len(levels) != len(self.steps) + 1:
            raise ValueError(f'expected {len(self.steps) + 1} levels, got {len(levels)}')
        xyz, features = levels[-1]
        if features is None:
            raise ValueError('expected features at the coarsest level, got None')
        for step, (target_xyz, skip) in zip(self.steps, reversed(levels[:-1]), strict=True):
            skip_channels: Any = step.skip_channels
            check_clips(target_xyz, skip, skip_channels)
            features = step(xyz, target_xyz, features, skip)
            xyz = target_xyz
        return self.classifier(features.transpose(2, 3)).transpose(2, 3)

    def loss(self, levels: Levels, data_samples: list[PointVideoDataSample]) -> dict[str, Tensor]:
        """Loss, and the accuracy over the points that count, in percent.

        On several processes the loss is the share of this one in that of the whole batch: with
        gradients averaged over processes, all labelled points of all of them weigh the same.

        Args:
            levels: As :meth:`forward`.
            data_samples: With ``gt_pts_seg`` ``(T, N)`` and, where only some points count,
                ``loss_mask`` ``(T, N)`` bool.

        Raises:
            ValueError: If labels are missing, of another shape, or no class.
        """
        (logits,) = at_least_float32(self(levels).transpose(2, 3))
        labels = torch.stack([self._labels(s, logits.shape[1:3]) for s in data_samples])
        labels = labels.to(logits.device)
        counts = labels != self.ignore_index
        if bool((counts & ((labels < 0) | (labels >= self.num_classes))).any()):
            raise ValueError(
                f'labels must be in 0..{self.num_classes - 1} or ignore_index='
                f'{self.ignore_index}, got {sorted(labels.unique().tolist())}; map raw ids to '
                'classes with MapPointLabels'
            )
        total = F.cross_entropy(
            logits.flatten(0, 2),
            labels.flatten(),
            self.class_weights.to(logits.dtype),
            ignore_index=self.ignore_index,
            reduction='sum',
        )
        number = counts.sum()
        right = (logits.detach().argmax(3) == labels) & counts
        # gradients are averaged over processes, so all divide by the same number of points
        mean_number = reduce_sum(number.float()) / get_world_size()
        return {
            'loss': total / mean_number.clamp(min=1 / get_world_size()),
            'accuracy': right.sum() / number.clamp(min=1) * 100,
        }

    def predict(
        self, levels: Levels, data_samples: list[PointVideoDataSample]
    ) -> list[PointVideoDataSample]:
        """Write ``pred_pts_seg`` ``(T, N)``, and ``pts_seg_logits`` ``(T, num_classes, N)``."""
        for sample, logits in zip(data_samples, self(levels), strict=True):
            sample.pred_pts_seg = logits.argmax(dim=1)
            if self.with_logits:
                sample.pts_seg_logits = logits
        return data_samples

    def _labels(self, sample: PointVideoDataSample, shape: torch.Size) -> Tensor:
        """A sample's labels, ``ignore_index`` outside its mask."""
        labels, mask = sample.get('gt_pts_seg'), sample.get('loss_mask')
        name = sample.get('video_id', 'a sample')
        if labels is None:
            raise ValueError(f'{name}: expected gt_pts_seg, got none: set seg_label when packing')
        for what, values in (('gt_pts_seg', labels), ('loss_mask', mask)):
            if values is not None and values.shape != shape:
                raise ValueError(
                    f'{name}: {what}: expected shape {tuple(shape)}, got {tuple(values.shape)}'
                )
        return labels if mask is None else labels.masked_fill(~mask.bool(), self.ignore_index)
