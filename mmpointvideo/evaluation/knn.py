"""k-nearest-neighbour classification of frozen features."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .video_accuracy import average_over_videos, label_ranks


def knn_classify(
    features: Tensor,
    labels: Tensor,
    queries: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    chunk_size: int = 1024,
) -> Tensor:
    """Weighted votes of the most similar features (Wu et al., "Unsupervised feature learning via
    non-parametric instance discrimination", CVPR 2018, Section 3.4).

    A neighbour votes for its class with ``exp(cosine similarity / temperature)``.

    Args:
        features: ``(n, c)`` features with known labels.
        labels: ``(n,)`` int64.
        queries: ``(m, c)`` features to classify.
        num_classes: Number of classes.
        k: Number of neighbours; all features when there are fewer.
        temperature: How much more the closest neighbours count.
        chunk_size: Queries compared at a time; bounds the memory to ``chunk_size`` x n.

    Returns:
        ``(m, num_classes)`` votes, each row adds up to 1.

    Raises:
        ValueError: If shapes or labels do not fit, or a feature is not finite.
    """
    if features.ndim != 2 or queries.ndim != 2 or features.shape[1] != queries.shape[1]:
        raise ValueError(
            'knn_classify expects features (n, c) and queries (m, c), got '
            f'{tuple(features.shape)} and {tuple(queries.shape)}'
        )
    if labels.shape != features.shape[:1] or len(features) == 0:
        raise ValueError(
            f'knn_classify expects a label for each of at least one feature, got '
            f'{tuple(labels.shape)} labels and {tuple(features.shape)} features'
        )
    if int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise ValueError(
            f'labels must be in 0..{num_classes - 1}, got {int(labels.min())}..{int(labels.max())}'
        )
    if k < 1 or temperature <= 0:
        raise ValueError(f'expected k >= 1 and temperature > 0, got {k} and {temperature}')
    for name, values in (('features', features), ('queries', queries)):
        bad = ~values.isfinite().all(dim=1)
        if bool(bad.any()):
            raise ValueError(
                f'{name}: {int(bad.sum())} of {len(values)} rows have NaN or infinite values, the '
                f'first is row {int(bad.nonzero()[0])}'
            )
    bank = F.normalize(features.float(), dim=1)
    votes = []
    for chunk in F.normalize(queries.float(), dim=1).split(chunk_size):
        similarity, nearest = (chunk @ bank.T).topk(min(k, len(bank)), dim=1)
        weight = (similarity / temperature).softmax(dim=1)
        vote = torch.zeros(len(chunk), num_classes, device=chunk.device)
        votes.append(vote.scatter_add_(1, labels.to(chunk.device)[nearest], weight))
    return torch.cat(votes) if votes else bank.new_zeros(0, num_classes)


def knn_video_accuracy(
    train: dict,
    test: dict,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> dict[str, float]:
    """k-NN accuracy of videos: the votes of a video's clips are averaged.

    Args:
        train: ``features`` ``(n, c)`` and ``labels`` ``(n,)``, as ``extract_features`` gives
            them.
        test: The same of the test clips, and ``video_ids``, n names.
        num_classes: Number of classes.
        k: Number of neighbours.
        temperature: As in :func:`knn_classify`.

    Returns:
        ``knn_video_acc`` and ``knn_clip_acc`` in percent.
    """
    scores = knn_classify(
        train['features'], train['labels'], test['features'], num_classes, k, temperature
    )
    clip_scores = scores.detach().cpu().numpy().astype(np.float64)
    clip_labels = test['labels'].cpu().numpy()
    _, labels, video_scores = average_over_videos(test['video_ids'], clip_labels, clip_scores)
    return {
        'knn_video_acc': 100 * float((label_ranks(video_scores, labels) == 0).mean()),
        'knn_clip_acc': 100 * float((label_ranks(clip_scores, clip_labels) == 0).mean()),
    }
