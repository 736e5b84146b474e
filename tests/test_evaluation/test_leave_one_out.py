"""Leaving every group out once."""

from __future__ import annotations

import pytest
import torch

from mmpointvideo.evaluation import leave_one_group_out


def nearest(features, labels, queries) -> torch.Tensor:
    near = torch.cdist(queries, features).argmin(dim=1)
    return torch.nn.functional.one_hot(labels[near], 4).float()


def test_nothing_of_a_group_classifies_it() -> None:
    """No label occurs in two groups, so every video has to be classified wrongly."""
    groups = ['a', 'a', 'b', 'b', 'c']
    found = {
        'features': torch.arange(5.0)[:, None],
        'labels': torch.tensor([0, 0, 1, 1, 2]),
        'video_ids': ['v0', 'v1', 'v2', 'v2', 'v3'],
    }
    seen = []

    def classify(features, labels, queries):
        seen.append((labels.tolist(), queries.flatten().tolist()))
        return nearest(features, labels, queries)

    result = leave_one_group_out(found, groups, classify)
    assert result == {'a': (0, 2), 'b': (0, 1), 'c': (0, 1)}
    assert seen == [
        ([1, 1, 2], [0.0, 1.0]),
        ([0, 0, 2], [2.0, 3.0]),
        ([0, 0, 1, 1], [4.0]),
    ]


def test_counts_videos_as_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = [1] * 12 + [2] * 10 + [3] * 8
    labels = torch.randint(4, (15,), generator=generator).repeat_interleave(2)
    found = {
        'features': torch.randn(30, 3, generator=generator) + 2 * labels[:, None],
        'labels': labels,
        'video_ids': [f'v{i // 2}' for i in range(30)],
    }
    result = leave_one_group_out(found, groups, nearest)
    for group in (1, 2, 3):
        out = torch.tensor([g == group for g in groups])
        scores = nearest(found['features'][~out], labels[~out], found['features'][out])
        videos = scores.unflatten(0, (-1, 2)).mean(dim=1).argmax(dim=1)
        right = int((videos == labels[out][::2]).sum())
        assert result[group] == (right, int(out.sum()) // 2)
    assert 0 < sum(right for right, _ in result.values()) < 15


def test_errors() -> None:
    found = {
        'features': torch.zeros(2, 3),
        'labels': torch.tensor([0, 1]),
        'video_ids': ['v0', 'v1'],
    }
    with pytest.raises(ValueError, match=r'at least two groups to leave one out, got \[1\]'):
        leave_one_group_out(found, [1, 1], nearest)
    with pytest.raises(ValueError, match='a group for each of 2 clips, got 3'):
        leave_one_group_out(found, [1, 2, 3], nearest)


def test_groups_as_a_tensor() -> None:
    found = {
        'features': torch.arange(4.0)[:, None],
        'labels': torch.tensor([0, 1, 0, 1]),
        'video_ids': list('abcd'),
    }
    wanted = leave_one_group_out(found, [0, 0, 1, 1], nearest)
    assert leave_one_group_out(found, torch.tensor([0, 0, 1, 1]), nearest) == wanted
    found['features'].requires_grad_()
    assert leave_one_group_out(found, [0, 0, 1, 1], nearest) == wanted


@pytest.mark.parametrize(
    ('groups', 'message'),
    [([0, None, 1], 'got None for some'), ([0, 1, 1], 'clips of video a in one group')],
)
def test_groups_that_do_not_part_the_videos(groups: list, message: str) -> None:
    found = {
        'features': torch.arange(3.0)[:, None],
        'labels': torch.tensor([0, 0, 1]),
        'video_ids': ['a', 'a', 'b'],
    }
    with pytest.raises(ValueError, match=message):
        leave_one_group_out(found, groups, nearest)
