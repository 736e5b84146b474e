"""The head that contrasts whole clips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.registry import MODELS


@MODELS.register_module()
class ClipContrastHead(nn.Module):
    """Recognise a clip's target segment by what was before it, and the other way round.

    Ours, not the paper's: the contrast of Eq. 7 between pooled features instead of prototypes. The
    encoder's features of a part of a clip become one vector, pooled as a probe or k-NN will pool
    them later, so that what these read is trained directly. It is projected to an embedding, and a
    predictor turns the embedding of one part into the expected one of the other; the other clips
    of the batch are the negatives.

    Args:
        projector: Config of an ``MLPProjector`` from encoder channels to the embedding.
        predictor: Config of an ``MLPProjector`` between embeddings, or None for the embedding
            itself.
        loss: Config of ``PrototypeInfoNCELoss``.
        pooling: Config of ``ClipPooling``.
        symmetric: Average the losses of both directions; otherwise only the target is predicted.
        weight: Of the loss.
    """

    def __init__(
        self,
        projector: dict,
        predictor: dict | None,
        loss: dict,
        pooling: dict | None = None,
        symmetric: bool = True,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.pooling = MODELS.build(pooling or dict(type='ClipPooling'))
        self.projector = MODELS.build(projector)
        self.predictor = MODELS.build(predictor) if predictor else nn.Identity()
        self.loss_module = MODELS.build(loss)
        self.symmetric = symmetric
        self.weight = weight

    def loss(self, context: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Loss and what to log with it.

        Args:
            context: The encoder's features of the segments before the target, ``(B, T', C, N')``.
            target: Those of the target segment, ``(B, l, C, N')``.

        Returns:
            ``loss_clip``, weighted, and ``similarity_clip``: mean cosine between the expected and
            the true embedding of a clip's target.
        """
        parts = torch.stack([self.pooling(context), self.pooling(target)], dim=1)
        embedded = self.projector(parts)
        expected = self.predictor(embedded)
        loss = self.loss_module(expected[:, :1], embedded[:, 1:])
        if self.symmetric:
            loss = (loss + self.loss_module(expected[:, 1:], embedded[:, :1])) / 2
        similarity = F.cosine_similarity(
            expected[:, 0].detach().float(), embedded[:, 1].detach().float(), dim=1
        )
        return {'loss_clip': self.weight * loss, 'similarity_clip': similarity.mean()}
