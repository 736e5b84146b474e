"""The point operators as their definitions read: one element at a time, in NumPy.

Distances are taken in float64 from float32 coordinates, so that two correct implementations can
only differ where points tie within float32 rounding: cases for exact comparison use coordinates
on a coarse binary grid, where every product is exact.
"""

from __future__ import annotations

import numpy as np


def squared_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a.astype(np.float64) - b.astype(np.float64)) ** 2).sum())


def furthest_point_sample(xyz: np.ndarray, num_points: int) -> np.ndarray:
    """Lowest index among ties; points with |p|^2 <= 1e-3 are never chosen after the first."""
    batch = []
    for cloud in xyz:
        chosen = [0]
        while len(chosen) < num_points:
            best, best_distance = 0, -1.0
            for i, point in enumerate(cloud):
                if squared_distance(point, np.zeros(3)) <= 1e-3:
                    continue
                distance = min(squared_distance(point, cloud[j]) for j in chosen)
                if distance > best_distance:
                    best, best_distance = i, distance
            chosen.append(best)
        batch.append(chosen)
    return np.array(batch)


def furthest_point_sample_in_threads(cloud: np.ndarray, num_points: int) -> list[int]:
    """The published CUDA kernel, thread by thread: which of tied points it takes."""
    threads = 1
    while threads * 2 <= min(len(cloud), 512):
        threads *= 2
    nearest = np.full(len(cloud), 1e10)
    chosen = [0]
    while len(chosen) < num_points:
        values, points = [-1.0] * threads, [0] * threads
        for thread in range(threads):
            for i in range(thread, len(cloud), threads):
                if squared_distance(cloud[i], np.zeros(3)) <= 1e-3:
                    continue
                nearest[i] = min(nearest[i], squared_distance(cloud[i], cloud[chosen[-1]]))
                if nearest[i] > values[thread]:
                    values[thread], points[thread] = nearest[i], i
        half = threads // 2
        while half:
            for left in range(half):
                if values[left + half] > values[left]:
                    values[left], points[left] = values[left + half], points[left + half]
            half //= 2
        chosen.append(points[0])
    return chosen


def ball_query(
    xyz: np.ndarray, centers: np.ndarray, radius: float, num_neighbors: int
) -> np.ndarray:
    limit = float(np.float32(radius) * np.float32(radius))
    out = np.zeros((*centers.shape[:2], num_neighbors), dtype=np.int64)
    for b, m in np.ndindex(*centers.shape[:2]):
        hits = [i for i, p in enumerate(xyz[b]) if squared_distance(p, centers[b, m]) < limit]
        hits = hits[:num_neighbors]
        if hits:
            out[b, m] = hits + [hits[0]] * (num_neighbors - len(hits))
    return out


def three_nn(target: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance = np.full(target.shape, np.inf)
    idx = np.zeros(target.shape, dtype=np.int64)
    for b, t in np.ndindex(*target.shape[:2]):
        squared = [squared_distance(target[b, t], point) for point in source[b]]
        for rank, i in enumerate(np.argsort(squared, kind='stable')[:3]):
            distance[b, t, rank], idx[b, t, rank] = np.sqrt(squared[i]), i
    return distance, idx
