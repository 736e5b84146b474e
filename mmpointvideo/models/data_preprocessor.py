"""From a list of packed clips to a batch on the model's device."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample


@MODELS.register_module()
class PointVideoDataPreprocessor(BaseDataPreprocessor):
    """Stack clips, check them, separate positions from features, and bring them into the model's
    floating type (``model.half()`` and ``model.double()`` change it) and onto its device.

    Args:
        non_blocking: Copy to the device without waiting (with pinned memory).
    """

    _like: Tensor

    def __init__(self, non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        # follows the model's type as every buffer does; not saved
        self.register_buffer('_like', torch.zeros(()), persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Make a batch.

        Args:
            data: ``inputs``, a list of B tensors ``(T, N, 3 + C)`` or ``(L, T/L, N, 3 + C)`` or
                the same stacked, of any floating type, and ``data_samples``, their samples, or
                nothing.
            training: Unused.

        Returns:
            ``inputs``: ``xyz`` ``(B, T, N, 3)`` and ``features`` ``(B, T, C, N)``, or None where
            C is 0; of clips in segments ``(B, L, T/L, N, 3)`` and ``(B, L, T/L, C, N)``.
            ``data_samples``: the samples, or None.

        Raises:
            TypeError: If ``data`` is not such a dictionary, or holds no clip.
            ValueError: If there are not as many samples as clips, if shapes differ or do not fit,
                or a value is not finite.
        """
        if not isinstance(data, dict) or 'inputs' not in data:
            raise TypeError(
                "PointVideoDataPreprocessor expects a dict with 'inputs', got "
                f'{sorted(data) if isinstance(data, dict) else type(data).__name__}'
            )
        samples = data.get('data_samples')
        points = self._stack(data['inputs'], samples)
        self._check_finite(points, samples)
        points = self.cast_data(points).to(self._like.dtype)
        features = None
        if points.shape[-1] > 3:
            features = points[..., 3:].transpose(-1, -2).contiguous()
        inputs = dict(xyz=points[..., :3].contiguous(), features=features)
        return dict(inputs=inputs, data_samples=self.cast_data(samples))

    @staticmethod
    def _stack(inputs: Any, samples: list[PointVideoDataSample] | None) -> Tensor:
        """One float tensor of all clips."""
        if samples is not None and len(samples) != len(inputs):
            raise ValueError(
                f'expected a data sample for each of {len(inputs)} clips, got {len(samples)}'
            )
        if not isinstance(inputs, Tensor):
            kinds = sorted({type(clip).__name__ for clip in inputs})
            if not isinstance(inputs, Sequence) or not all(isinstance(c, Tensor) for c in inputs):
                raise TypeError(
                    f'inputs: expected a list of tensors, got a {type(inputs).__name__} of '
                    f'{", ".join(kinds) or "nothing"}'
                )
            if len(inputs) == 0:
                raise TypeError('inputs: expected a list of tensors, got an empty one')
            shapes = [tuple(clip.shape) for clip in inputs]
            odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
            if odd is not None:
                raise ValueError(
                    f'{_name(samples, odd)} has shape {shapes[odd]}, {_name(samples, 0)} '
                    f'{shapes[0]}: clips of a batch need the same number of frames, points and '
                    'channels'
                )
            inputs = torch.stack(list(inputs))
        if inputs.ndim not in (4, 5) or inputs.shape[-1] < 3:
            raise ValueError(
                'expected clips of shape (T, N, 3 + C) or (L, T/L, N, 3 + C), got '
                f'{tuple(inputs.shape[1:])}'
            )
        if not inputs.is_floating_point():
            raise TypeError(f'expected floating point coordinates, got {inputs.dtype}')
        return inputs

    @staticmethod
    def _check_finite(points: Tensor, samples: list[PointVideoDataSample] | None) -> None:
        """Name the clips that hold NaN or infinity.

        A sum is not finite when one of its values is not, and far cheaper than a test of each.
        """
        if bool(points.sum().isfinite()):
            return
        finite = points.flatten(1).isfinite().all(dim=1)
        bad = [_name(samples, i) for i in (~finite).nonzero().flatten().tolist()]
        if bad:
            raise ValueError(
                f'NaN or infinite values in {", ".join(bad)}: check the data with '
                'tools/misc/verify_dataset.py, or the augmentations'
            )


def _name(samples: list[PointVideoDataSample] | None, index: int) -> str:
    sample = samples[index] if samples is not None else None
    if sample is None or 'video_id' not in sample:
        return f'clip {index} of the batch'
    return f'video {sample.video_id} (clip start {sample.get("clip_start")})'
