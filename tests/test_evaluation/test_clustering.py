"""Agreement of clusters and classes."""

import numpy as np
import pytest

from mmpointvideo.evaluation.clustering import contingency, normalized_mutual_info, purity


def test_contingency():
    table = contingency([0, 0, 2, 2, 2], [1, 0, 1, 1, 0], (3, 2))
    np.testing.assert_array_equal(table, [[1, 1], [0, 0], [1, 2]])
    assert purity(table) == pytest.approx(3 / 5)
    with pytest.raises(ValueError, match='cluster: expected 0..1, got 0..2'):
        contingency([0, 2], [0, 0], (2, 1))
    with pytest.raises(ValueError, match=r'got \(2,\) and \(3,\)'):
        contingency([0, 1], [0, 0, 0], (2, 1))


def test_extremes():
    same = np.diag([3, 5, 2])
    assert normalized_mutual_info(same) == pytest.approx(1) and purity(same) == 1
    assert normalized_mutual_info(same[[2, 0, 1]]) == pytest.approx(1)  # names do not matter
    independent = np.outer([1, 2, 3], [4, 1])
    assert normalized_mutual_info(independent) == pytest.approx(0, abs=1e-12)
    assert normalized_mutual_info(np.array([[4, 6]])) == pytest.approx(0, abs=1e-12)


def test_as_scikit_learn():
    metrics = pytest.importorskip('sklearn.metrics')
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 6, 500)
    clusters = np.where(rng.random(500) < 0.6, classes // 2, rng.integers(0, 4, 500))
    table = contingency(clusters, classes, (5, 6))
    expected = metrics.normalized_mutual_info_score(classes, clusters)
    assert normalized_mutual_info(table) == pytest.approx(expected)
