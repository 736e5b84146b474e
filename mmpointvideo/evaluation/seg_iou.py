"""Intersection over union of segmented points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log

from mmpointvideo.registry import METRICS

from .clip_metric import ClipMetric


@METRICS.register_module()
class SegIoU(ClipMetric):
    """Per-class IoU over all points of the data set that count.

    A point counts inside its sample's ``loss_mask`` and where its label is not ``ignore_index``.
    Reported, in percent: ``mIoU``, ``mAcc`` (the share of each class's points that are found, mean
    over the classes), ``acc`` (of all points) and ``IoU_<class>``. As published, every class
    enters the means: one with an empty union has an IoU of 0, one without points an accuracy of
    0. Both are marked in the table that is logged.

    The result is exact on any number of processes and for any sampler: clips that a sampler
    repeats to fill its shards are counted once (by ``sample_idx``), and a clip that was never
    seen is an error.

    Args:
        num_classes: Number of classes; by default that of the data set's ``classes``.
        frames: ``'last'`` scores the last frame of a clip, the labelled one, so that every frame
            of the data set counts once. ``'all'`` scores all of them, as published: with clips of
            3 frames a frame counts up to three times.
        ignore_index: Label of points that do not count.
        prefix: Put before the names, with a slash.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        frames: str = 'last',
        ignore_index: int = 255,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix=prefix)
        if frames not in ('last', 'all'):
            raise ValueError(f"frames: expected 'last' or 'all', got {frames!r}")
        if num_classes is not None and num_classes < 1:
            raise ValueError(f'num_classes: expected at least 1, got {num_classes}')
        self.num_classes = num_classes
        self.frames = frames
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count a batch's points.

        Args:
            data_batch: Unused.
            data_samples: Samples as dictionaries, with ``gt_pts_seg`` and ``pred_pts_seg``
                ``(T, N)``, ``sample_idx`` and, where only some points count, ``loss_mask``
                ``(T, N)`` bool.

        Raises:
            KeyError: If one of these is missing.
            ValueError: If shapes differ or a label or prediction is no class.
        """
        for sample in data_samples:
            for name in ('gt_pts_seg', 'pred_pts_seg', 'sample_idx'):
                if name not in sample:
                    raise KeyError(
                        f'SegIoU expects {name!r} in every data sample, got {sorted(sample)}: does '
                        'the pipeline pack it, does the head predict?'
                    )
            self.results.append((int(sample['sample_idx']), self._confusion(sample)))

    def _confusion(self, sample: dict) -> np.ndarray:
        """Number of points by label and prediction, ``(num_classes, num_classes)``."""
        names = ['gt_pts_seg', 'pred_pts_seg']
        if sample.get('loss_mask') is not None:
            names.append('loss_mask')
        arrays = [torch.as_tensor(sample[name]).cpu().numpy() for name in names]
        if len({array.shape for array in arrays}) != 1:
            shapes = {name: a.shape for name, a in zip(names, arrays, strict=True)}
            raise ValueError(f'{_name(sample)}: expected equal shapes, got {shapes}')
        if self.frames == 'last':
            arrays = [a.reshape(-1, a.shape[-1])[-1] for a in arrays]
        label, prediction, *mask = (a.reshape(-1) for a in arrays)
        counts = label != self.ignore_index
        if mask:
            counts &= mask[0].astype(bool)
        label, prediction = (x[counts].astype(np.int64) for x in (label, prediction))
        size = len(self._classes())
        for name, values in zip(names, (label, prediction), strict=False):
            if values.size and (values.min() < 0 or values.max() >= size):
                raise ValueError(
                    f'{_name(sample)}: {name}: expected classes 0..{size - 1}, got '
                    f'{values.min()}..{values.max()}; check num_classes and MapPointLabels'
                )
        return np.bincount(label * size + prediction, minlength=size * size).reshape(size, size)

    def _classes(self) -> list[str]:
        known = (self.dataset_meta or {}).get('classes')
        if self.num_classes is None:
            if not known:
                raise ValueError('the data set does not name its classes: give SegIoU num_classes')
            return list(known)
        if known and len(known) == self.num_classes:
            return list(known)
        return [str(number) for number in range(self.num_classes)]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Metrics of distinct clips; logs the table of classes.

        Args:
            results: Clips as ``(sample_idx, confusion matrix)``, ``(num_classes, num_classes)``.

        Returns:
            The metrics in percent.
        """
        confusion = np.sum([matrix for _, matrix in results], axis=0)
        right, labelled = confusion.diagonal(), confusion.sum(axis=1)
        union = labelled + confusion.sum(axis=0) - right
        iou = 100 * right / np.maximum(union, 1)
        accuracy = 100 * right / np.maximum(labelled, 1)
        classes = self._classes()
        width = max(len(name) for name in classes)
        lines = [f'{"class":{width}}     IoU     Acc      points']
        for index, name in enumerate(classes):
            mark = '' if labelled[index] else '  no points' if union[index] else '  empty union'
            lines.append(
                f'{name:{width}} {iou[index]:7.2f} {accuracy[index]:7.2f} '
                f'{labelled[index]:11d}{mark}'
            )
        print_log('\n' + '\n'.join(lines), logger='current')
        metrics = dict(
            mIoU=float(iou.mean()),
            mAcc=float(accuracy.mean()),
            acc=float(100 * right.sum() / max(labelled.sum(), 1)),
        )
        return metrics | {
            f'IoU_{name}': float(value) for name, value in zip(classes, iou, strict=True)
        }


def _name(sample: dict) -> str:
    return f'video {sample.get("video_id")}, sample {sample["sample_idx"]}'
