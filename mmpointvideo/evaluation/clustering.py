"""How well clusters agree with classes."""

from __future__ import annotations

import numpy as np


def contingency(clusters: np.ndarray, classes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How often each cluster meets each class.

    Args:
        clusters: ``(n,)`` integers in 0..shape[0]-1.
        classes: ``(n,)`` integers in 0..shape[1]-1.
        shape: Number of clusters and of classes.

    Returns:
        ``shape`` int64.

    Raises:
        ValueError: If a value is out of range or the lengths differ.
    """
    clusters, classes = np.asarray(clusters), np.asarray(classes)
    if clusters.shape != classes.shape or clusters.ndim != 1:
        raise ValueError(f'expected two arrays (n,), got {clusters.shape} and {classes.shape}')
    table = np.zeros(shape, np.int64)
    if len(clusters):
        for what, values, size in (('cluster', clusters, shape[0]), ('class', classes, shape[1])):
            if values.min() < 0 or values.max() >= size:
                raise ValueError(
                    f'{what}: expected 0..{size - 1}, got {values.min()}..{values.max()}'
                )
        np.add.at(table, (clusters, classes), 1)
    return table


def normalized_mutual_info(table: np.ndarray) -> float:
    """Mutual information over the mean of both entropies: 1 for the same partition, 0 for none.

    Args:
        table: From :func:`contingency`.
    """
    joint = np.asarray(table, np.float64)
    joint = joint / joint.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    expected = np.outer(rows, columns)
    there = joint > 0
    information = float((joint[there] * np.log(joint[there] / expected[there])).sum())
    entropies = [-float((p[p > 0] * np.log(p[p > 0])).sum()) for p in (rows, columns)]
    mean = sum(entropies) / 2
    return information / mean if mean > 0 else 1.0


def purity(table: np.ndarray) -> float:
    """Share of the items that are of their cluster's most frequent class.

    Args:
        table: From :func:`contingency`.
    """
    return float(np.max(table, axis=1).sum() / np.sum(table))
