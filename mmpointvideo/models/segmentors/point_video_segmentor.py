"""4D semantic segmentation over an encoder."""

from __future__ import annotations

from torch import Tensor

from mmpointvideo.models.base import DownstreamModel
from mmpointvideo.registry import MODELS

Levels = list[tuple[Tensor, Tensor | None]]


@MODELS.register_module()
class PointVideoSegmentor(DownstreamModel):
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
        super().__init__(
            encoder, head, encoder_checkpoint, frozen_encoder, data_preprocessor, init_cfg
        )
        if not hasattr(self.encoder, 'forward_levels'):
            raise TypeError(
                'PointVideoSegmentor expects an encoder with forward_levels, got '
                f'{type(self.encoder).__name__}'
            )

    def extract_feat(self, inputs: dict[str, Tensor | None]) -> Levels:
        """Positions and features of all levels, from fine to coarse."""
        return self.encoder.forward_levels(inputs['xyz'], inputs.get('features'))
