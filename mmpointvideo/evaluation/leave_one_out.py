"""Validation without a validation set: every group of videos is left out once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from torch import Tensor

from .video_accuracy import average_over_videos, label_ranks

#: known features (n, c), their labels (n,), queries (m, c) -> scores (m, num_classes)
Classifier = Callable[[Tensor, Tensor, Tensor], Tensor]


def leave_one_group_out(
    found: dict, groups: Sequence[Hashable], classify: Classifier
) -> dict[Hashable, tuple[int, int]]:
    """Classify the videos of every group from the clips of all other groups.

    Args:
        found: ``features`` ``(n, c)``, ``labels`` ``(n,)`` and ``video_ids`` of n clips, as
            ``extract_features`` gives them.
        groups: Group of every clip, such as the subject: names or integers, or a tensor of
            them. The clips of a video are of one group.
        classify: Gives scores of queries from known features and their labels; the scores of a
            video's clips are averaged.

    Returns:
        Of every group, in order: how many videos were classified correctly, and how many it has.

    Raises:
        ValueError: If there is only one group, a clip without one, or a video in several.
    """
    if isinstance(groups, (Tensor, np.ndarray)):
        groups = groups.tolist()
    if len(groups) != len(found['labels']):
        raise ValueError(
            f'expected a group for each of {len(found["labels"])} clips, got {len(groups)}'
        )
    names = sorted(set(groups), key=lambda name: (str(type(name)), name))
    if len(names) < 2:
        raise ValueError(f'expected at least two groups to leave one out, got {names}')
    if None in names:
        raise ValueError('expected a group for every clip, got None for some')
    videos = np.asarray(found['video_ids'], dtype=str)
    group_of: dict[str, Hashable] = {}
    for video, group in zip(videos.tolist(), groups, strict=True):
        if group_of.setdefault(video, group) != group:
            raise ValueError(
                f'expected the clips of video {video} in one group, got them in '
                f'{group_of[video]!r} and {group!r}'
            )
    result = {}
    for name in names:
        out = np.array([group == name for group in groups])
        known = ~out
        scores = classify(found['features'][known], found['labels'][known], found['features'][out])
        _, labels, video_scores = average_over_videos(
            videos[out].tolist(),
            found['labels'].cpu().numpy()[out],
            scores.detach().cpu().double().numpy(),
        )
        right = label_ranks(video_scores, labels) == 0
        result[name] = int(right.sum()), len(right)
    return result
