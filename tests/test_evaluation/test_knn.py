"""k-NN classification against plain loops."""

import numpy as np
import pytest
import torch

from mmpointvideo.evaluation import knn_classify, knn_video_accuracy


def knn_by_hand(features, labels, queries, num_classes, k, temperature) -> np.ndarray:
    features, queries = features.double().numpy(), queries.double().numpy()
    votes = np.zeros((len(queries), num_classes))
    for i, query in enumerate(queries):
        similarity = np.array(
            [query @ f / np.linalg.norm(query) / np.linalg.norm(f) for f in features]
        )
        for j in np.argsort(-similarity)[:k]:
            votes[i, labels[j]] += np.exp(similarity[j] / temperature)
    return votes / votes.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(('k', 'chunk_size'), [(1, 1024), (5, 4), (500, 7)])
def test_votes(k: int, chunk_size: int) -> None:
    features, queries = torch.randn(50, 8), torch.randn(23, 8)
    labels = torch.randint(0, 4, (50,))
    found = knn_classify(features, labels, queries, 5, k=k, chunk_size=chunk_size)
    expected = knn_by_hand(features, labels, queries, 5, k, 0.07)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)
    assert (found[:, 4] == 0).all()


def test_votes_stay_finite_when_sharp() -> None:
    x = torch.randn(10, 4)
    votes = knn_classify(x, torch.arange(10), x, 10, k=10, temperature=1e-3)
    assert torch.allclose(votes, torch.eye(10), atol=1e-4)


def test_videos() -> None:
    """A video whose clips disagree gets the class with the higher mean vote."""
    train = {'features': torch.eye(3), 'labels': torch.arange(3)}
    test = {
        'features': torch.tensor([[1.0, 0, 0], [0.9, 1, 0], [0.9, 1, 0], [0, 0, 1.0]]),
        'labels': torch.tensor([0, 0, 0, 1]),
        'video_ids': ['a', 'a', 'a', 'b'],
    }
    found = knn_video_accuracy(train, test, num_classes=3, k=3, temperature=1.0)
    assert found == {'knn_video_acc': 50.0, 'knn_clip_acc': 25.0}


def test_bad_input() -> None:
    x, labels = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
    with pytest.raises(ValueError, match=r'queries \(m, c\)'):
        knn_classify(x, labels, torch.randn(2, 4), 2)
    with pytest.raises(ValueError, match='a label for each'):
        knn_classify(x, labels[:3], x, 2)
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.0, got 0\.\.1'):
        knn_classify(x, labels, x, 1)
    with pytest.raises(ValueError, match='k >= 1'):
        knn_classify(x, labels, x, 2, k=0)
    broken = x.clone()
    broken[2, 1] = float('nan')
    with pytest.raises(ValueError, match='features: 1 of 4 rows .* the first is row 2'):
        knn_classify(broken, labels, x, 2)
    broken[0, 0] = float('inf')
    with pytest.raises(ValueError, match='queries: 2 of 4 rows .* the first is row 0'):
        knn_classify(x, labels, broken, 2)
