"""Alignment of predicted and target prototypes (Eq. 7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.registry import MODELS
from mmpointvideo.utils.dist import gather_rows
from mmpointvideo.utils.precision import at_least_float32


@MODELS.register_module()
class PrototypeInfoNCELoss(nn.Module):
    r"""InfoNCE between the prototypes of targets and predictions, mean over prototypes.

    .. math:: L_c = -\log \frac{e^{\hat s_t \hat s_p / \tau}}
        {e^{\hat s_t \hat s_p / \tau} + \sum_{\hat s_p' \in \phi} e^{\hat s_t \hat s_p' / \tau}}

    The positive of a target prototype is the predicted prototype with the same index of the same
    clip; φ holds all other predicted prototypes of all clips in the batch, of every process.
    Prototypes are L2-normalised first; computed in float32 at least.

    Args:
        temperature: τ.
    """

    def __init__(self, temperature: float = 0.01) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean loss.

        Args:
            prediction: Predicted prototypes Ŝ_p, ``(B, k, c)``.
            target: Target prototypes Ŝ_t, ``(B, k, c)``.

        Returns:
            A scalar.
        """
        if prediction.ndim != 3 or prediction.shape != target.shape:
            raise ValueError(
                'PrototypeInfoNCELoss expects prediction and target of one shape (B, k, c), got '
                f'{tuple(prediction.shape)} and {tuple(target.shape)}'
            )
        with torch.autocast(prediction.device.type, enabled=False):
            prediction, target = (
                F.normalize(prototypes, dim=-1).flatten(0, 1)
                for prototypes in at_least_float32(prediction, target)
            )
            keys, offset = gather_rows(prediction)
            logits = target @ keys.T / self.temperature
            positive = torch.arange(len(target), device=target.device) + offset
            return F.cross_entropy(logits, positive)

    def extra_repr(self) -> str:
        """Settings, for ``print(model)``."""
        return f'temperature={self.temperature}'
