"""The head of semantic clustering."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.registry import MODELS
from mmpointvideo.utils.precision import at_least_float32


@MODELS.register_module()
class SemanticClusterHead(nn.Module):
    """Align prototypes and soft assignments of predictions and targets (Section 3.2).

    Two groups of k prototypes are learned, one for targets and one for predictions. Superpoints
    are softly assigned to their group (Eq. 5, on normalised vectors with a temperature), every
    clip's assignments give it updated prototypes (Eq. 6), and these are aligned by
    ``prototype_loss`` (Eq. 7, behind an extra predictor on the predicted side) and the
    assignments by ``assignment_loss`` (Eq. 8).

    Args:
        channels: Width c of an embedding.
        num_prototypes: k (Table 9). With 1 the updated prototype is the mean of a clip's
            superpoints, and ``prototype_loss`` contrasts whole clips.
        prototype_loss: Config of ``PrototypeInfoNCELoss``; None leaves the term out.
        prototype_weight: λ1 of Eq. 9.
        assignment_loss: Config of ``AssignmentKLLoss``; None leaves the term out, as the paper
            does on action data.
        assignment_weight: λ2 of Eq. 9.
        assignment_temperature: Divides the cosines before the softmax of Eq. 5. With the literal
            1 all assignments are nearly uniform and all updated prototypes coincide.
        predictor_channels: Hidden width of the extra predictor; c by default, 0 for none.
    """

    def __init__(
        self,
        channels: int,
        num_prototypes: int = 10,
        prototype_loss: dict | None = None,
        prototype_weight: float = 1.0,
        assignment_loss: dict | None = None,
        assignment_weight: float = 1.0,
        assignment_temperature: float = 0.1,
        predictor_channels: int | None = None,
    ) -> None:
        super().__init__()
        if num_prototypes < 1:
            raise ValueError(f'num_prototypes must be >= 1, got {num_prototypes}')
        if not assignment_temperature > 0:
            raise ValueError(f'assignment_temperature must be > 0, got {assignment_temperature}')
        if prototype_loss is None and assignment_loss is None:
            raise ValueError('SemanticClusterHead expects prototype_loss, assignment_loss or both')
        self.assignment_temperature = assignment_temperature
        self.prototype_weight = prototype_weight
        self.assignment_weight = assignment_weight
        self.target_prototypes = nn.Parameter(torch.empty(num_prototypes, channels))
        self.prediction_prototypes = nn.Parameter(torch.empty(num_prototypes, channels))
        nn.init.orthogonal_(self.target_prototypes)
        nn.init.orthogonal_(self.prediction_prototypes)
        self.prototype_loss = MODELS.build(prototype_loss) if prototype_loss else None
        self.assignment_loss = MODELS.build(assignment_loss) if assignment_loss else None
        hidden = channels if predictor_channels is None else predictor_channels
        self.predictor: nn.Module = (
            nn.Sequential(
                nn.Linear(channels, hidden),
                nn.ReLU(),
                nn.Linear(hidden, channels),
            )
            if prototype_loss and hidden
            else nn.Identity()
        )

    def target_logits(self, embeddings: Tensor) -> Tensor:
        """Logits of Eq. 5 for target embeddings, ``(..., c)`` to ``(..., k)``."""
        return self._logits(embeddings, self.target_prototypes)

    def prediction_logits(self, embeddings: Tensor) -> Tensor:
        """Logits of Eq. 5 for predictions, ``(..., c)`` to ``(..., k)``."""
        return self._logits(embeddings, self.prediction_prototypes)

    def loss(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The two alignment losses and what to log with them.

        Args:
            prediction: Aligned predictions Q̂, ``(B, l, r, c)``.
            target: Target superpoints Z, ``(B, l, r, c)``.

        Returns:
            ``loss_prototype`` and ``loss_assignment``, weighted, as far as they are configured;
            ``prototype_entropy``: entropy of the mean target assignment over log k, 1 when all
            prototypes are used alike; ``prototype_max_cosine``: largest cosine between two
            updated target prototypes of a clip; neither with a single prototype.
        """
        with torch.autocast(prediction.device.type, enabled=False):
            prediction, target = (
                F.normalize(embeddings, dim=-1).flatten(1, 2)
                for embeddings in at_least_float32(prediction, target)
            )
            prediction_logits = self.prediction_logits(prediction)
            target_logits = self.target_logits(target)
            assignment = target_logits.softmax(dim=-1)
            updated = update_prototypes(assignment, target)
            out = {}
            if self.prototype_loss is not None:
                predicted = update_prototypes(prediction_logits.softmax(dim=-1), prediction)
                weight = next(self.predictor.parameters(), predicted)
                loss = self.prototype_loss(self.predictor(predicted.to(weight.dtype)), updated)
                out['loss_prototype'] = self.prototype_weight * loss
            if self.assignment_loss is not None:
                loss = self.assignment_loss(prediction_logits, target_logits)
                out['loss_assignment'] = self.assignment_weight * loss
        out.update(self._statistics(assignment.detach(), updated.detach()))
        return out

    def _logits(self, embeddings: Tensor, prototypes: Tensor) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings, prototypes = at_least_float32(embeddings, prototypes)
            cosines = F.normalize(embeddings, dim=-1) @ F.normalize(prototypes, dim=-1).T
            return cosines / self.assignment_temperature

    @staticmethod
    def _statistics(assignment: Tensor, updated: Tensor) -> dict[str, Tensor]:
        k = updated.shape[1]
        if k == 1:  # always used, and there is no other
            return {}
        mean = assignment.flatten(0, -2).mean(dim=0)
        entropy = -(mean * mean.clamp(min=1e-12).log()).sum()
        cosine = updated @ updated.transpose(1, 2)
        others = ~torch.eye(k, dtype=torch.bool, device=cosine.device)
        return {
            'prototype_entropy': entropy / torch.tensor(float(k)).log().to(entropy),
            'prototype_max_cosine': cosine[:, others].max(),
        }


def update_prototypes(assignment: Tensor, embeddings: Tensor) -> Tensor:
    """Prototypes of every clip from its own superpoints (Eq. 6), L2-normalised.

    Args:
        assignment: Soft assignments A, ``(B, S, k)``.
        embeddings: Superpoints, ``(B, S, c)``.

    Returns:
        Ŝ, ``(B, k, c)``.
    """
    mass = assignment.sum(dim=1)[..., None].clamp(min=1e-12)
    return F.normalize(assignment.transpose(1, 2) @ embeddings / mass, dim=-1)
