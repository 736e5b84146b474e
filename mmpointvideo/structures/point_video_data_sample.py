"""What is known, and what is predicted, about one clip."""

from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

_LABELS = ('gt_label', 'pred_label')
_SEGMENTATIONS = ('gt_pts_seg', 'pred_pts_seg')


def _to_tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, int | float | list | tuple | np.ndarray | np.generic):
        return torch.as_tensor(value)
    raise TypeError(f'{name}: expected a tensor, an array or numbers, got {type(value).__name__}')


def _checked(name: str, value: Any) -> Tensor:
    tensor = _to_tensor(name, value)
    is_float = tensor.is_floating_point()
    if name == 'pred_score':
        if not is_float:
            raise TypeError(f'{name}: expected floating point numbers, got {tensor.dtype}')
        if tensor.ndim != 1:
            raise ValueError(f'{name}: expected (num_classes,), got {tuple(tensor.shape)}')
        return tensor
    if is_float or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f'{name}: expected integers, got {tensor.dtype}')
    if name in _LABELS:
        if tensor.numel() != 1:
            raise ValueError(f'{name}: expected one class, got shape {tuple(tensor.shape)}')
        return tensor.reshape(1).long()
    if tensor.ndim not in (2, 3):
        raise ValueError(f'{name}: expected (T, N) or (L, T/L, N), got {tuple(tensor.shape)}')
    return tensor.long()


class PointVideoDataSample(BaseDataElement):
    """Annotations and predictions of one clip.

    Fields; numbers, lists and arrays become tensors, shapes and types are checked when set:

    * ``gt_label``, ``pred_label``: ``(1,)`` int64, class of the clip.
    * ``pred_score``: ``(num_classes,)`` floating point, probabilities.
    * ``gt_pts_seg``, ``pred_pts_seg``: ``(T, N)`` or ``(L, T/L, N)`` int64, class of every point.

    Other fields are kept as they are. ``PackPointVideoInputs`` puts into the metainfo:
    ``video_id``, ``video_index``, ``clip_start``, ``clip_index``, ``num_clips``, ``frame_inds``
    ``(T,)``, ``sample_idx``.

    Examples:
        >>> sample = PointVideoDataSample(metainfo=dict(video_id='a01_s01_e01'), gt_label=3)
        >>> sample.gt_label, sample.video_id
        (tensor([3]), 'a01_s01_e01')
    """

    gt_label: Tensor
    pred_label: Tensor
    pred_score: Tensor
    gt_pts_seg: Tensor
    pred_pts_seg: Tensor

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a data field, checked.

        Raises:
            TypeError: If a known field gets the wrong type of values.
            ValueError: If it gets the wrong shape.
        """
        if name == 'pred_score' or name in _LABELS or name in _SEGMENTATIONS:
            value = _checked(name, value)
        super().__setattr__(name, value)

    def numpy(self) -> 'PointVideoDataSample':
        """A copy that holds arrays instead of tensors."""
        new = self.__class__(metainfo=self.metainfo)
        for name, value in self.items():
            if isinstance(value, Tensor | BaseDataElement):
                value = value.detach().cpu().numpy()
            new.set_field(value, name)
        return new
