"""Action recognition over an encoder."""

from __future__ import annotations

from torch import Tensor

from mmpointvideo.models.base import DownstreamModel
from mmpointvideo.registry import MODELS


@MODELS.register_module()
class PointVideoRecognizer(DownstreamModel):
    """Encoder, pooling, head: fine-tuning, linear probing and training from scratch.

    Args:
        encoder: Config of an encoder.
        head: Config of a head with ``loss`` and ``predict``, such as ``ActionClsHead``.
        pooling: Config of the pooling; PSTNet's by default (mean over points, max over frames).
        encoder_checkpoint: Checkpoint of a pre-training run, or of any model with an
            ``encoder``, to take the encoder's weights from. Every weight must be found.
        frozen_encoder: Linear probe: the encoder gets no gradients and stays in eval mode, so
            that its BN statistics do not change.
        data_preprocessor: Config of a ``PointVideoDataPreprocessor``.
        init_cfg: Initialisation.
    """

    def __init__(
        self,
        encoder: dict,
        head: dict,
        pooling: dict | None = None,
        encoder_checkpoint: str | None = None,
        frozen_encoder: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            encoder, head, encoder_checkpoint, frozen_encoder, data_preprocessor, init_cfg
        )
        self.pooling = MODELS.build(pooling or dict(type='ClipPooling'))

    def extract_feat(self, inputs: dict[str, Tensor | None]) -> Tensor:
        """One feature a clip, ``(B, C)``: what probes and k-NN see, and the head."""
        _, features = self.encoder(inputs['xyz'], inputs.get('features'))
        return self.pooling(features)
