"""PointCPSC: point contrastive prediction with semantic clustering (ICCV 2023)."""

from __future__ import annotations

import warnings
from collections import deque

import numpy as np
import torch
from torch import Tensor

from mmpointvideo.datasets.segments import split_segments
from mmpointvideo.models.base import PointVideoModel
from mmpointvideo.models.layers.interpolation import inverse_distance_weights
from mmpointvideo.models.memories import Provenance
from mmpointvideo.ops import three_interpolate, three_nn
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample

#: batches that may wait for the memory bank: more than any number of accumulated ones
MOST_PENDING = 64


@MODELS.register_module()
class PointCPSC(PointVideoModel):
    """Predict the superpoints of a clip's last segment from the segments before it.

    The algorithm only wires its parts: all segments go through one encoder and projector, the
    autoregressor reads segments 1 .. L-1, the predictor turns its last segment's outputs into
    predictions, these are interpolated to the target's superpoints, and the heads score them.
    ``MemoryBankHook`` stores the targets after the optimiser's step.

    Args:
        encoder: Config of an encoder.
        projector: Config of an ``MLPProjector`` from encoder channels to token width c.
        autoregressor: Config of a ``CausalAutoregressor``.
        predictor: Config of an ``MLPProjector``, c to c.
        contrast_head: Config of a ``PointContrastHead``.
        cluster_head: Config of a ``SemanticClusterHead``, if wanted.
        clip_head: Config of a ``ClipContrastHead``, if wanted: whole clips are contrasted, too
            (ours, not the paper's).
        memory_bank: Config of a ``MemoryBank``, if wanted.
        num_segments: L, for clips that arrive unsplit, ``(B, T, N, 3)``. Clips that the data
            pipeline split (``SplitSegments``) arrive as ``(B, L, T/L, N, 3)`` and need none.
        stop_gradient_target: Targets give no gradient.
        data_preprocessor: Config of a ``PointVideoDataPreprocessor``.
        init_cfg: Initialisation.
    """

    def __init__(
        self,
        encoder: dict,
        projector: dict,
        autoregressor: dict,
        predictor: dict,
        contrast_head: dict,
        cluster_head: dict | None = None,
        clip_head: dict | None = None,
        memory_bank: dict | None = None,
        num_segments: int | None = None,
        stop_gradient_target: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.encoder = MODELS.build(encoder)
        self.projector = MODELS.build(projector)
        self.autoregressor = MODELS.build(autoregressor)
        self.predictor = MODELS.build(predictor)
        self.contrast_head = MODELS.build(contrast_head)
        self.cluster_head = MODELS.build(cluster_head) if cluster_head else None
        self.clip_head = MODELS.build(clip_head) if clip_head else None
        self.memory_bank = MODELS.build(memory_bank) if memory_bank else None
        self.num_segments = num_segments
        self.stop_gradient_target = stop_gradient_target
        self._pending: deque[tuple[Tensor, Provenance]] = deque(maxlen=MOST_PENDING)

    def forward(
        self,
        inputs: dict[str, Tensor | None],
        data_samples: list[PointVideoDataSample] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor]:
        """Losses (``mode='loss'``) or predictions and targets (``mode='tensor'``).

        Args:
            inputs: ``xyz`` ``(B, T, N, 3)`` or ``(B, L, T/L, N, 3)``; ``features``
                ``(B, T, C, N)`` or ``(B, L, T/L, C, N)`` or None.
            data_samples: The clips' samples; they say which video a clip is from.
            mode: ``'loss'`` or ``'tensor'``.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'tensor':
            return self.predict_segment(inputs)
        raise ValueError(f"PointCPSC knows the modes 'loss' and 'tensor', got {mode!r}")

    def predict_segment(self, inputs: dict[str, Tensor | None]) -> dict[str, Tensor]:
        """Embeddings of the last segment, as encoded and as predicted.

        Returns:
            ``xyz`` ``(B, l, r, 3)``, ``target`` Z and ``prediction`` Q̂, both ``(B, l, r, c)``.
        """
        return self._predict(*self._encode(*self._segments(inputs)))

    def _encode(self, xyz: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """Superpoints ``(B, L, l, r, 3)`` and features ``(B, L, l, C, r)`` of every segment."""
        positions, encoded = self.encoder(
            xyz.flatten(0, 1), None if features is None else features.flatten(0, 1)
        )
        return positions.unflatten(0, xyz.shape[:2]), encoded.unflatten(0, xyz.shape[:2])

    def _predict(self, positions: Tensor, encoded: Tensor) -> dict[str, Tensor]:
        """What :meth:`predict_segment` returns, of encoded segments."""
        tokens = self.projector(encoded.transpose(3, 4))
        context = self.autoregressor(tokens[:, :-1], positions[:, :-1])
        predicted = self.predictor(context[:, -1])
        aligned = self.align(predicted, positions[:, -2], positions[:, -1])
        target = tokens[:, -1]
        if self.stop_gradient_target:
            target = target.detach()
        return {'xyz': positions[:, -1], 'target': target, 'prediction': aligned}

    def loss(
        self, inputs: dict[str, Tensor | None], data_samples: list[PointVideoDataSample] | None
    ) -> dict[str, Tensor]:
        """All losses of Eq. 9, that of whole clips, and what is logged with them."""
        xyz, features = self._segments(inputs)
        data_samples = self._check_samples(data_samples, *xyz.shape[:3])
        positions, encoded = self._encode(xyz, features)
        out = self._predict(positions, encoded)
        target, prediction = out['target'], out['prediction']
        video = torch.tensor([sample.video_index for sample in data_samples], device=target.device)
        losses = self.contrast_head.loss(prediction, target, video, self.memory_bank)
        if self.cluster_head is not None:
            losses.update(self.cluster_head.loss(prediction, target))
        if self.clip_head is not None:
            losses.update(self.clip_head.loss(encoded[:, :-1].flatten(1, 2), encoded[:, -1]))
        losses['feature_std'] = _spread(target.detach())
        if self.memory_bank is not None and self.training:
            frames = _target_frames(data_samples, target, xyz.shape[1])
            self._remember(target, out['xyz'], video, frames)
        return losses

    @staticmethod
    def align(predicted: Tensor, source_xyz: Tensor, target_xyz: Tensor) -> Tensor:
        """Carry predictions to the target's superpoints, frame by frame.

        Inverse-distance weights over the three nearest predicted superpoints.

        Args:
            predicted: Q, ``(B, l, r, c)``, at ``source_xyz``.
            source_xyz: ``(B, l, r, 3)``.
            target_xyz: ``(B, l, r', 3)``.

        Returns:
            Q̂, ``(B, l, r', c)``.
        """
        batch, frames = predicted.shape[:2]
        dist, idx = three_nn(target_xyz.flatten(0, 1), source_xyz.flatten(0, 1))
        weight = inverse_distance_weights(dist)
        features = predicted.flatten(0, 1).transpose(1, 2).contiguous()
        aligned = three_interpolate(features, idx, weight.to(features.dtype))
        return aligned.transpose(1, 2).unflatten(0, (batch, frames))

    def update_memory(self) -> None:
        """Store the targets of the batches since the last call; the hook calls this."""
        pending = list(self._pending)
        self._pending.clear()
        if self.memory_bank is None or not pending:
            return
        features = torch.cat([item for item, _ in pending])
        parts = zip(*(provenance for _, provenance in pending), strict=True)
        self.memory_bank.enqueue(features, Provenance(*(torch.cat(part) for part in parts)))

    def _segments(self, inputs: dict[str, Tensor | None]) -> tuple[Tensor, Tensor | None]:
        """``(B, L, T/L, N, 3)`` and ``(B, L, T/L, C, N)`` or None, whatever arrives."""
        xyz, features = inputs['xyz'], inputs.get('features')
        if xyz is None or xyz.ndim not in (4, 5):
            raise ValueError(
                'PointCPSC expects xyz of shape (B, T, N, 3) or (B, L, T/L, N, 3), got '
                f'{None if xyz is None else tuple(xyz.shape)}'
            )
        if xyz.ndim == 4:
            if self.num_segments is None:
                raise ValueError(
                    'PointCPSC got an unsplit clip: put SplitSegments into the pipeline or give '
                    'the model num_segments'
                )
            xyz = split_segments(xyz, self.num_segments, 1)
            features = None if features is None else split_segments(features, self.num_segments, 1)
        elif self.num_segments not in (None, xyz.shape[1]):
            raise ValueError(
                f'PointCPSC has num_segments={self.num_segments}, but the pipeline split the '
                f'clips into {xyz.shape[1]} segments'
            )
        if xyz.shape[1] < 2:
            raise ValueError(
                f'PointCPSC predicts the last segment from those before it and needs at least '
                f'2 segments, got {xyz.shape[1]}'
            )
        return xyz, features

    def _check_samples(
        self,
        data_samples: list[PointVideoDataSample] | None,
        clips: int,
        segments: int,
        length: int,
    ) -> list[PointVideoDataSample]:
        """Samples that say what the loss needs to know of every clip."""
        data_samples = data_samples or []
        needed = {'video_index'} | ({'frame_inds'} if self.memory_bank is not None else set())
        there = [needed.intersection(sample.all_keys()) for sample in data_samples]
        if len(there) != clips or any(names != needed for names in there):
            raise ValueError(
                f'PointCPSC: the loss of {clips} clips expects as many data samples with '
                f'{sorted(needed)}, got {len(there)} with {[sorted(names) for names in there]}: '
                'is PackPointVideoInputs the last transform of the pipeline?'
            )
        if 'frame_inds' in needed:
            frames = segments * length
            shapes = {tuple(np.shape(sample.frame_inds)) for sample in data_samples}
            if shapes - {(frames,)}:
                raise ValueError(
                    f'PointCPSC: frame_inds: expected the numbers of {frames} frames for each '
                    f'clip, got shapes {sorted(shapes)}'
                )
        return data_samples

    def _remember(self, target: Tensor, xyz: Tensor, video: Tensor, frames: Tensor) -> None:
        points = target.shape[1] * target.shape[2]
        provenance = Provenance(
            video.repeat_interleave(points),
            frames.repeat_interleave(target.shape[2]),
            xyz.detach().flatten(0, 2),
        )
        if len(self._pending) == MOST_PENDING:
            warnings.warn(
                f'PointCPSC: more than {MOST_PENDING} batches wait for the memory bank, the oldest '
                'is dropped: add MemoryBankHook to custom_hooks, or call update_memory() after '
                "the optimiser's step",
                stacklevel=2,
            )
        self._pending.append((target.detach().flatten(0, 2), provenance))


def _target_frames(
    data_samples: list[PointVideoDataSample], target: Tensor, segments: int
) -> Tensor:
    """Index in the video of every target superpoint frame, ``(B * l,)``.

    The frames of a segment are merged evenly into l superpoint frames; the first merged one
    stands for them.
    """
    frames = target.shape[1]
    rows = []
    for sample in data_samples:
        inds = torch.as_tensor(sample.frame_inds)
        last = inds[-(len(inds) // segments) :]
        rows.append(last[:: max(1, len(last) // frames)][:frames])
    return torch.cat(rows).to(target.device)


def _spread(target: Tensor) -> Tensor:
    """Standard deviation of normalised embeddings over superpoints, times sqrt(c), mean.

    About 1 when they fill the sphere, 0 when they have collapsed to one point.
    """
    unit = torch.nn.functional.normalize(target.float(), dim=-1).flatten(0, -2)
    return unit.std(dim=0).mean() * unit.shape[1] ** 0.5
