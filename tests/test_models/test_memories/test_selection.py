"""Selection of neighbours and negatives against a sorted list."""

import pytest
import torch

from mmpointvideo.models.memories import select_neighbors_and_negatives


def _literal(similarity, k, ratio, exclude):
    masks, neighbors = torch.zeros_like(exclude), []
    for i, row in enumerate(similarity):
        allowed = [s for s in range(len(row)) if not exclude[i, s]]
        order = sorted(allowed, key=lambda s: float(row[s]), reverse=True)
        neighbors.append(order[:k])
        rest = order[k:]
        count = min(int(len(allowed) * ratio + 1e-6), len(rest))
        masks[i, rest[len(rest) - count :]] = True
    return neighbors, masks


@pytest.mark.parametrize('ratio', [0.1, 0.6, 0.7, 0.9, 1.0])
@pytest.mark.parametrize('k', [0, 1, 3, 10])
@pytest.mark.parametrize('share', [0.0, 0.2, 0.95])
def test_equals_sorting(ratio, k, share):
    generator = torch.Generator().manual_seed(1)
    similarity = torch.randn(12, 31, generator=generator)
    exclude = torch.rand(12, 31, generator=generator) < share
    exclude[0], exclude[1] = True, False
    exclude[1, :10] = True
    selection = select_neighbors_and_negatives(similarity, k, ratio, exclude)
    neighbors, negative = _literal(similarity, k, ratio, exclude)
    assert torch.equal(selection.negative, negative)
    for i, expected in enumerate(neighbors):
        valid = selection.neighbor_valid[i]
        assert selection.neighbor_index[i][valid].tolist() == expected
    assert not (selection.negative & exclude).any()


def test_ties_give_the_exact_number():
    similarity = torch.ones(3, 10)
    selection = select_neighbors_and_negatives(similarity, 3, 0.7)
    assert selection.negative.sum(1).tolist() == [7, 7, 7]
    overlap = selection.negative.gather(1, selection.neighbor_index)
    assert not overlap.any()


def test_rounding_of_the_share():
    similarity = torch.randn(1, 90)
    assert select_neighbors_and_negatives(similarity, 0, 0.7).negative.sum() == 63


def test_empty_bank():
    selection = select_neighbors_and_negatives(torch.zeros(4, 0), 3, 0.7)
    assert selection.neighbor_index.shape == (4, 0) and selection.negative.shape == (4, 0)
