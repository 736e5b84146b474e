"""What the algorithms of the toolbox share."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmpointvideo.checkpoints import load_encoder_weights
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample


class PointVideoModel(BaseModel):
    """A model over batches of point cloud videos.

    Its data preprocessor is a ``PointVideoDataPreprocessor`` unless the config says otherwise,
    built through the toolbox's own registry: models work in plain Python too, where no runner has
    set a default scope.

    Args:
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation.
    """

    def __init__(self, data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        config = data_preprocessor or dict(type='PointVideoDataPreprocessor')
        super().__init__(MODELS.build(config), init_cfg)

    def _dump_init_info(self) -> None:
        """How each weight was initialised, into log files alone: not onto a tool's screen."""
        handlers = MMLogger.get_current_instance().handlers
        if any(isinstance(handler, logging.FileHandler) for handler in handlers):
            super()._dump_init_info()


class DownstreamModel(PointVideoModel):
    """An encoder, possibly pre-trained, possibly frozen, and a head over its features.

    Subclasses say in ``extract_feat`` what the head gets.

    Args:
        encoder: Config of an encoder.
        head: Config of a head with ``loss`` and ``predict``.
        encoder_checkpoint: Checkpoint of a pre-training run, or of any model with an
            ``encoder``, to take the encoder's weights from. Every weight must be found. It is read
            by ``init_weights()``, which a runner calls before training.
        frozen_encoder: The encoder gets no gradients and stays in eval mode, so that its BN
            statistics do not change.
        data_preprocessor: Config of a ``PointVideoDataPreprocessor``.
        init_cfg: Initialisation.
    """

    def __init__(
        self,
        encoder: dict,
        head: dict,
        encoder_checkpoint: str | None = None,
        frozen_encoder: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.encoder = MODELS.build(encoder)
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
            data_samples: The clips' samples, with what the head's loss needs.
            mode: What to return.
        """
        if mode not in ('tensor', 'loss', 'predict'):
            raise ValueError(
                f"{type(self).__name__} knows the modes 'tensor', 'loss' and 'predict', "
                f'got {mode!r}'
            )
        if mode == 'loss' and data_samples is None:
            raise ValueError(
                f"{type(self).__name__}: mode='loss' expects the data samples with the labels, "
                'got none'
            )
        features = self.extract_feat(inputs)
        if mode == 'tensor':
            return self.head(features)
        if mode == 'loss':
            return self.head.loss(features, data_samples)
        if data_samples is None:
            xyz = inputs['xyz']
            data_samples = [PointVideoDataSample() for _ in (() if xyz is None else xyz)]
        return self.head.predict(features, data_samples)

    def extract_feat(self, inputs: dict[str, Tensor | None]) -> Any:
        """What the head gets."""
        raise NotImplementedError
