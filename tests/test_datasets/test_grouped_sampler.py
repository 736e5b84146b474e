"""Batches of one group of videos."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mmpointvideo.datasets import DefaultSampler, GroupedSampler, MSRAction3DDataset
from mmpointvideo.registry import DATA_SAMPLERS
from mmpointvideo.testing import write_tiny_dataset


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> MSRAction3DDataset:
    """Subjects 1 to 3 with 6 videos each, 2 of them too short: 12 clips of one video each."""
    root: Path = tmp_path_factory.mktemp('data')
    write_tiny_dataset(root, num_classes=2, subjects=(1, 2, 3), num_frames=(14, 12, 9))
    return MSRAction3DDataset(
        ann_file='annotations.json',
        data_root=str(root),
        num_frames=12,
        clips='random',
        short_videos='drop',
        split='train',
    )


def subjects(dataset: MSRAction3DDataset, clips: list[int]) -> list[int]:
    return [dataset.get_video_info(dataset.clip_videos[i])['subject'] for i in clips]


def batches(sampler: GroupedSampler, size: int) -> list[list[int]]:
    order = [int(index) for index in sampler]
    assert len(order) == len(sampler)
    return [order[i : i + size] for i in range(0, len(order), size)]


def make(dataset, size: int, **options) -> GroupedSampler:
    sampler = DATA_SAMPLERS.build(
        dict(type='GroupedSampler', dataset=dataset, field='subject', seed=5) | options
    )
    sampler.set_batches(size, True)
    return sampler


def test_a_batch_has_one_subject_and_no_clip_twice(dataset) -> None:
    sampler = make(dataset, 2)
    made = batches(sampler, 2)
    assert len(made) == 6  # 3 subjects, 4 clips each
    assert all(len(set(subjects(dataset, batch))) == 1 for batch in made)
    assert sorted(sum(made, [])) == list(range(12))


def test_what_fills_no_batch_has_its_turn_in_other_epochs(dataset) -> None:
    """Batches of 3 out of 4 clips: every clip is left out in about a quarter of the epochs."""
    sampler = make(dataset, 3)
    drawn: Counter[int] = Counter()
    orders = set()
    for epoch in range(200):
        sampler.set_epoch(epoch)
        made = batches(sampler, 3)
        assert sorted(subjects(dataset, [batch[0] for batch in made])) == [1, 2, 3]
        assert all(len(set(subjects(dataset, batch))) == 1 for batch in made)
        orders.add(tuple(subjects(dataset, [batch[0] for batch in made])))
        drawn.update(sum(made, []))
    assert len(orders) == 6
    assert set(drawn) == set(range(12))
    assert all(120 <= count <= 180 for count in drawn.values())


def test_the_same_seed_gives_the_same_epochs_and_seeds(dataset) -> None:
    one, two, other = make(dataset, 2), make(dataset, 2), make(dataset, 2, seed=6)
    first = list(one)
    assert first == list(two)
    assert first != list(other)
    assert {index.seed for index in first} == {(5, 0, int(index)) for index in first}
    one.set_epoch(1)
    assert list(one) != first


def test_it_goes_on_in_the_middle_of_an_epoch(dataset) -> None:
    sampler = make(dataset, 2)
    whole = list(sampler)
    sampler.set_start(6)
    assert list(sampler) == whole[6:]
    assert list(sampler) == whole


def test_processes_share_a_group(dataset, monkeypatch) -> None:
    """Negatives are gathered over processes, so their batches together are of one subject."""
    whole = batches(make(dataset, 4), 4)
    parts = []
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        parts.append(batches(make(dataset, 2), 2))
    assert [one + two for one, two in zip(*parts, strict=True)] == whole


def test_clear_errors(dataset) -> None:
    with pytest.raises(TypeError, match='expected a PointVideoDataset, got range'):
        GroupedSampler(range(4), 'subject')
    with pytest.raises(
        ValueError, match=r"field 'camera' in every video .*a01_s01_e0\d has .*subject"
    ):
        GroupedSampler(dataset, 'camera')
    with pytest.raises(ValueError, match='drop_last=True'):
        GroupedSampler(dataset, 'subject').set_batches(2, False)
    with pytest.raises(ValueError, match='largest group has 4 clips.*batch of 5 on 1 process'):
        GroupedSampler(dataset, 'subject').set_batches(5, True)
    with pytest.raises(RuntimeError, match=r'expected set_batches\(\) before the first epoch'):
        list(GroupedSampler(dataset, 'subject'))


def test_an_empty_data_set() -> None:
    with pytest.raises(ValueError, match='dataset: expected at least one sample'):
        DefaultSampler([])
