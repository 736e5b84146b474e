"""P4Transformer's classification head."""

from __future__ import annotations

from torch import nn

from mmpointvideo.registry import MODELS

from .cls_head import ActionClsHead


@MODELS.register_module()
class TransformerClsHead(ActionClsHead):
    """LayerNorm-Linear-GELU-Linear over a clip's feature, with cross-entropy (P4Transformer).

    Args:
        in_channels: Width of the clip's feature.
        num_classes: Number of classes.
        hidden_channels: Width between the two linear layers.
        label_smoothing: Of the cross-entropy.
        init_cfg: Initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int,
        label_smoothing: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            in_channels, num_classes, label_smoothing=label_smoothing, init_cfg=init_cfg
        )
        self.layers = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, hidden_channels),
            nn.GELU(),
            nn.Linear(hidden_channels, num_classes),
        )
