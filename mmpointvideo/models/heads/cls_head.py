"""Classification of a clip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.utils.precision import at_least_float32


@MODELS.register_module()
class ActionClsHead(BaseModule):
    """One or two linear layers over a clip's feature, with cross-entropy.

    Args:
        in_channels: Width of the clip's feature.
        num_classes: Number of classes.
        hidden_channels: None: one linear layer (linear probe). A number: Linear-BN-ReLU-Linear
            with this hidden width (fine-tuning, Section 4.2).
        standardize: A batch norm without learned parameters in front: features are standardised
            channel by channel, so that one learning rate suits the features of any encoder.
        dropout: Dropout before the last layer.
        label_smoothing: Of the cross-entropy.
        init_cfg: Initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int | None = None,
        standardize: bool = False,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        layers: list[nn.Module] = []
        if standardize:
            layers.append(nn.BatchNorm1d(in_channels, affine=False))
        if hidden_channels is not None:
            layers += [
                nn.Linear(in_channels, hidden_channels, bias=False),
                nn.BatchNorm1d(hidden_channels),
                nn.ReLU(),
            ]
        if dropout:
            layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(hidden_channels or in_channels, num_classes))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C)`` to logits ``(B, num_classes)``."""
        return self.layers(features)

    def loss(self, features: Tensor, data_samples: list[PointVideoDataSample]) -> dict[str, Tensor]:
        """Cross-entropy and the batch's accuracy in percent."""
        (logits,) = at_least_float32(self(features))
        for sample in data_samples:
            if 'gt_label' not in sample:
                raise ValueError(
                    f'video {sample.get("video_id")}: expected a label to train with, got none: '
                    'give it one in the annotation file, or leave it out of the split'
                )
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(logits.device)
        if int(labels.min()) < 0 or int(labels.max()) >= self.num_classes:
            raise ValueError(
                f'labels must be in 0..{self.num_classes - 1} for a head with '
                f'num_classes={self.num_classes}, got {int(labels.min())}..{int(labels.max())}; '
                'check num_classes in the config against the annotation file'
            )
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        accuracy = (logits.detach().argmax(dim=1) == labels).float().mean() * 100
        return {'loss': loss, 'accuracy': accuracy}

    def predict(
        self, features: Tensor, data_samples: list[PointVideoDataSample]
    ) -> list[PointVideoDataSample]:
        """Write ``pred_score`` (probabilities) and ``pred_label`` into the samples."""
        (logits,) = at_least_float32(self(features))
        scores = logits.softmax(dim=1)
        for sample, score in zip(data_samples, scores, strict=True):
            sample.pred_score = score
            sample.pred_label = score.argmax(dim=0, keepdim=True)
        return data_samples
