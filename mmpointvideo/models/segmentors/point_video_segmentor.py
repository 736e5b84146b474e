"""4D semantic segmentation over an encoder."""

from __future__ import annotations

from torch import Tensor, nn

from mmpointvideo.engine.checkpoint import load_encoder_weights
from mmpointvideo.models.base import PointVideoModel
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample

Levels = list[tuple[Tensor, Tensor | None]]


@MODELS.register_module()
class PointVideoSegmentor(PointVideoModel):
    """Encoder and decoding head: a class for every point of every frame.

    Args:
        encoder: Config of an encoder with ``forward_levels``, such as ``P4TransformerEncoder``.
        head: Config of a head with ``loss`` and ``predict`` over levels: ``PointSegHead``.
        encoder_checkpoint: Checkpoint of a pre-training run, or of any model with an
            ``encoder``, to take the encoder's weights from. Every weight must be found.
        frozen_encoder: The encoder gets no gradients and stays in eval mode.
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
        if not hasattr(self.encoder, 'forward_levels'):
            raise TypeError(
                'PointVideoSegmentor expects an encoder with forward_levels, got '
                f'{type(self.encoder).__name__}'
            )
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
            data_samples: The clips' samples, with ``gt_pts_seg`` and ``loss_mask`` ``(T, N)``
                for the loss.
            mode: What to return.
        """
        levels = self.extract_feat(inputs)
        if mode == 'tensor':
            return self.head(levels)
        if mode == 'loss':
            return self.head.loss(levels, data_samples)
        if mode == 'predict':
            if data_samples is None:
                data_samples = [PointVideoDataSample() for _ in levels[0][0]]
            return self.head.predict(levels, data_samples)
        raise ValueError(
            f"PointVideoSegmentor knows the modes 'tensor', 'loss' and 'predict', got {mode!r}"
        )

    def extract_feat(self, inputs: dict[str, Tensor | None]) -> Levels:
        """Positions and features of all levels, from fine to coarse."""
        return self.encoder.forward_levels(inputs['xyz'], inputs.get('features'))
