"""Action recognition over an encoder."""

from __future__ import annotations

from torch import Tensor, nn

from mmpointvideo.engine.checkpoint import load_encoder_weights
from mmpointvideo.models.base import PointVideoModel
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample


@MODELS.register_module()
class PointVideoRecognizer(PointVideoModel):
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
        super().__init__(data_preprocessor, init_cfg)
        self.encoder = MODELS.build(encoder)
        self.pooling = MODELS.build(pooling or dict(type='ClipPooling'))
        self.head = MODELS.build(head)
        self.encoder_checkpoint = encoder_checkpoint
        self.frozen_encoder = frozen_encoder
        if frozen_encoder:
            self.encoder.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise, then load the encoder's weights where a checkpoint is named."""
        super().init_weights()
        if self.encoder_checkpoint is not None:
            load_encoder_weights(self.encoder, self.encoder_checkpoint)

    def train(self, mode: bool = True) -> nn.Module:
        """Switch modes; a frozen encoder stays in eval mode."""
        super().train(mode)
        if self.frozen_encoder:
            self.encoder.eval()
        return self

    def forward(
        self,
        inputs: dict[str, Tensor | None],
        data_samples: list[PointVideoDataSample] | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | list[PointVideoDataSample]:
        """Logits (``'tensor'``), losses (``'loss'``) or samples with predictions (``'predict'``).

        Args:
            inputs: ``xyz`` ``(B, T, N, 3)``, ``features`` ``(B, T, C, N)`` or None.
            data_samples: The clips' samples.
            mode: What to return.
        """
        features = self.extract_feat(inputs)
        if mode == 'tensor':
            return self.head(features)
        if mode == 'loss':
            return self.head.loss(features, data_samples)
        if mode == 'predict':
            if data_samples is None:
                data_samples = [PointVideoDataSample() for _ in features]
            return self.head.predict(features, data_samples)
        raise ValueError(
            f"PointVideoRecognizer knows the modes 'tensor', 'loss' and 'predict', got {mode!r}"
        )

    def extract_feat(self, inputs: dict[str, Tensor | None]) -> Tensor:
        """One feature a clip, ``(B, C)``: what probes and k-NN see, and the head."""
        _, features = self.encoder(inputs['xyz'], inputs.get('features'))
        return self.pooling(features)
