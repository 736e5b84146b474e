"""Alignment of soft category assignments (Eq. 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmpointvideo.registry import MODELS
from mmpointvideo.utils.precision import at_least_float32


@MODELS.register_module()
class AssignmentKLLoss(nn.Module):
    r"""KL divergence of target from predicted assignments, mean over superpoints.

    .. math:: L_k = \sum_i a_p^i (\log a_p^i - \log a_t^i)

    Takes logits and works with log-softmax on both sides, so that a probability of 0 in float32
    costs neither a NaN nor a gradient.
    """

    def forward(self, prediction_logits: Tensor, target_logits: Tensor) -> Tensor:
        """Mean divergence.

        Args:
            prediction_logits: Logits of the predicted assignments, ``(..., k)``.
            target_logits: Logits of the target assignments, the same shape.

        Returns:
            A scalar.
        """
        if prediction_logits.shape != target_logits.shape or prediction_logits.ndim < 1:
            raise ValueError(
                'AssignmentKLLoss expects logits of one shape (..., k), got '
                f'{tuple(prediction_logits.shape)} and {tuple(target_logits.shape)}'
            )
        with torch.autocast(prediction_logits.device.type, enabled=False):
            log_p, log_t = (
                logits.log_softmax(dim=-1)
                for logits in at_least_float32(prediction_logits, target_logits)
            )
            return (log_p.exp() * (log_p - log_t)).sum(dim=-1).mean()
