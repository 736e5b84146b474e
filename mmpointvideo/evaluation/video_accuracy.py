"""Accuracy of videos, not of clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log

from mmpointvideo.registry import METRICS

from .clip_metric import ClipMetric


@METRICS.register_module()
class VideoAccuracy(ClipMetric):
    """Class probabilities averaged over a video's clips, then compared with its label.

    Reported, in percent: ``video_acc`` (top-1), ``video_acc_top5`` and so on for every k of
    ``topk``, ``mean_class_acc`` (top-1 of the videos of a class, averaged over the classes that
    occur) and ``clip_acc`` (top-1 of single clips). A k that is not smaller than the number of
    classes is left out: it would always be 100. Among equal probabilities the lower class wins.

    The result is exact on any number of processes and for any sampler: clips that a sampler
    repeats to fill its shards are counted once (by ``sample_idx``), and a clip that was never
    seen is an error.

    Args:
        topk: Which top-k accuracies of videos to report; 1 is always reported.
        prefix: Put before the names, with a slash.
    """

    def __init__(self, topk: int | Sequence[int] = (1, 5), prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        topk = (topk,) if isinstance(topk, int) else topk
        if not topk or any(k < 1 for k in topk):
            raise ValueError(f'VideoAccuracy expects topk of positive numbers, got {topk}')
        self.topk = tuple(sorted({1, *topk}))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep a batch's probabilities.

        Args:
            data_batch: Unused.
            data_samples: Samples as dictionaries, with ``gt_label``, ``pred_score``
                ``(num_classes,)``, ``video_id`` and ``sample_idx``.

        Raises:
            KeyError: If one of these is missing.
            ValueError: If a video has no label, or a probability is not finite.
        """
        for sample in data_samples:
            check_label(sample, 'accuracy')
            for name in ('pred_score', 'video_id', 'sample_idx'):
                if name not in sample:
                    raise KeyError(
                        f'VideoAccuracy expects {name!r} in every data sample, got '
                        f'{sorted(sample)}: does PackPointVideoInputs keep it, does the head '
                        'predict?'
                    )
            score = torch.as_tensor(sample['pred_score']).detach().cpu().double().numpy()
            if not np.isfinite(score).all():
                raise ValueError(f'video {sample["video_id"]}: the prediction is not finite')
            label = int(torch.as_tensor(sample['gt_label']).reshape(-1)[0])
            self.results.append((int(sample['sample_idx']), sample['video_id'], label, score))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Metrics of distinct clips.

        Args:
            results: Clips as ``(sample_idx, video_id, label, probabilities)``.

        Returns:
            The metrics in percent.

        Raises:
            ValueError: If the clips of a video have different labels or numbers of scores, or a
                label is no class.
        """
        sizes = sorted({score.shape for *_, score in results})
        if len(sizes) > 1:
            raise ValueError(f'expected as many scores for every clip, got shapes {sizes}')
        clip_scores = np.stack([score for *_, score in results])
        clip_labels = np.array([label for _, _, label, _ in results])
        names = [video for _, video, _, _ in results]
        videos, labels, scores = average_over_videos(names, clip_labels, clip_scores)
        ranks = label_ranks(scores, labels)
        num_classes = scores.shape[1]
        metrics = {}
        for k in self.topk:
            if k == 1 or k < num_classes:
                name = 'video_acc' if k == 1 else f'video_acc_top{k}'
                metrics[name] = 100 * float((ranks < k).mean())
        per_class = [(ranks[labels == c] < 1).mean() for c in np.unique(labels)]
        metrics['mean_class_acc'] = 100 * float(np.mean(per_class))
        metrics['clip_acc'] = 100 * float((label_ranks(clip_scores, clip_labels) < 1).mean())
        print_log(f'{len(videos)} videos, {len(names)} clips', logger='current')
        return metrics


def check_label(sample: Any, purpose: str) -> None:
    """Refuse a clip of a video without a label, where one is needed.

    Args:
        sample: A data sample, or its dictionary.
        purpose: What needs the label, for the message.

    Raises:
        ValueError: If there is no ``gt_label``.
    """
    if 'gt_label' not in sample:
        raise ValueError(
            f'video {sample.get("video_id")}: {purpose} needs a label of every video: give it one '
            'in the annotation file, or leave it out of the split'
        )


def average_over_videos(
    videos: Sequence[str], labels: np.ndarray, scores: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Average the rows of every video.

    Args:
        videos: Which video a row is of, n names.
        labels: ``(n,)`` int.
        scores: ``(n, num_classes)``.

    Returns:
        The videos by name, their labels ``(v,)`` and mean scores ``(v, num_classes)``.

    Raises:
        ValueError: If rows of one video have different labels.
    """
    names, index = np.unique(np.asarray(videos, dtype=str), return_inverse=True)
    counts = np.bincount(index, minlength=len(names))
    sums = np.zeros((len(names), scores.shape[1]))
    np.add.at(sums, index, scores)
    video_labels = np.empty(len(names), dtype=np.int64)
    video_labels[index] = labels
    wrong = np.flatnonzero(video_labels[index] != labels)
    if len(wrong):
        raise ValueError(f'clips of video {videos[wrong[0]]} have different labels')
    return names.tolist(), video_labels, sums / counts[:, None]


def label_ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the right one; among equals the lower class comes first.

    Args:
        scores: ``(n, num_classes)``.
        labels: ``(n,)`` int.

    Returns:
        ``(n,)`` int, 0 where the prediction is right.

    Raises:
        ValueError: If a score is not finite (NaN is above and below nothing, so it would count
            as right), or a label is no class.
    """
    num_classes = scores.shape[1]
    if not np.isfinite(scores).all():
        raise ValueError('expected finite scores, got NaN or infinite ones')
    if len(labels) and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f'labels must be in 0..{num_classes - 1} for scores of {num_classes} classes, '
            f'got {labels.min()}..{labels.max()}'
        )
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1])[None] < labels[:, None]
    return (scores > own).sum(axis=1) + ((scores == own) & earlier).sum(axis=1)
