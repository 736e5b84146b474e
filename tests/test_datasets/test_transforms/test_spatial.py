"""Augmentations: the matrix that was applied, recovered from the points."""

import math

import numpy as np
import pytest

from mmpointvideo.datasets.transforms import (
    RandomFlip,
    RandomJitter,
    RandomRotate,
    RandomScale,
    ScaleCoordinates,
)
from mmpointvideo.registry import TRANSFORMS
from mmpointvideo.testing import tiny_clip


def _apply(transform, points=None, **results):
    points = tiny_clip(6, 30, 2) if points is None else points
    return points, transform(dict(points=points.copy(), **results))['points']


def _affine(before, after):
    """The map ``(3, 4)`` that carries all points of the clip, and how well it does."""
    x = np.concatenate([before[..., :3].reshape(-1, 3), np.ones((before[..., 0].size, 1))], axis=1)
    y = after[..., :3].reshape(-1, 3)
    solution, *_ = np.linalg.lstsq(x.astype(float), y.astype(float), rcond=None)
    return solution.T, np.abs(x @ solution - y).max()


RANDOM = [
    RandomScale((0.5, 2.0)),
    RandomScale((0.5, 2.0), anisotropic=False, about='clip'),
    RandomRotate((-3, 3), axis='x'),
    RandomRotate((-3, 3), axis='y', about='clip'),
    RandomRotate((-3, 3), axis='z'),
    RandomFlip('x', prob=1),
    RandomFlip('y', prob=1, about='clip'),
]


@pytest.mark.parametrize('transform', RANDOM, ids=repr)
def test_one_map_for_the_whole_clip(transform):
    before, after = _apply(transform)
    matrix, error = _affine(before, after)
    assert error < 1e-5  # all frames share it
    np.testing.assert_array_equal(before[..., 3:], after[..., 3:])
    assert after.dtype == np.float32
    linear, shift = matrix[:, :3], matrix[:, 3]
    center = before[..., :3].reshape(-1, 3).mean(axis=0)
    fixed = center if transform.about == 'clip' else np.zeros(3)
    np.testing.assert_allclose(linear @ fixed + shift, fixed, atol=1e-4)
    segments = transform(dict(points=before.reshape(2, 3, 30, 5).copy(), test_mode=True))
    whole = transform(dict(points=before.copy(), test_mode=True))
    np.testing.assert_array_equal(segments['points'].reshape(6, 30, 5), whole['points'])


def test_scale_statistics():
    for anisotropic in (True, False):
        transform = RandomScale((0.9, 1.1), anisotropic=anisotropic)
        ones = np.ones((1, 1, 3), np.float32)
        draws = np.array([_apply(transform, ones)[1][0, 0] for _ in range(1500)])
        assert draws.min() >= 0.9 - 1e-6 and draws.max() <= 1.1 + 1e-6
        np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.008)
        np.testing.assert_allclose(draws.std(axis=0), 0.2 / math.sqrt(12), atol=0.004)
        correlation = np.corrcoef(draws.T)[~np.eye(3, dtype=bool)]
        if anisotropic:
            assert np.abs(correlation).max() < 0.12
        else:
            assert correlation.min() > 0.999


@pytest.mark.parametrize(
    ('axis', 'source', 'target'),
    [('x', (0, 1, 0), (0, 0, 1)), ('y', (0, 0, 1), (1, 0, 0)), ('z', (1, 0, 0), (0, 1, 0))],
)
def test_quarter_turn(axis, source, target):
    quarter = math.pi / 2
    points = np.array([[source]], np.float32)
    _, turned = _apply(RandomRotate((quarter, quarter), axis=axis), points)
    np.testing.assert_allclose(turned[0, 0], target, atol=1e-6)


def test_rotation_angles_are_uniform():
    points = np.array([[[0.0, 5.0, 1.0]]], np.float32)
    transform = RandomRotate((-0.5, 1.0), axis='y')
    turned = np.array([_apply(transform, points)[1][0, 0] for _ in range(1500)])
    np.testing.assert_allclose(turned[:, 1], 5)
    np.testing.assert_allclose(np.hypot(turned[:, 0], turned[:, 2]), 1, atol=1e-6)
    angles = np.arctan2(turned[:, 0], turned[:, 2])
    assert angles.min() >= -0.5 - 1e-6 and angles.max() <= 1 + 1e-6
    np.testing.assert_allclose(np.histogram(angles, 5, (-0.5, 1))[0], 300, atol=80)


def test_flip():
    before, after = _apply(RandomFlip('x', prob=1))
    np.testing.assert_array_equal(after[..., 0], -before[..., 0])
    np.testing.assert_array_equal(after[..., 1:], before[..., 1:])
    one = np.ones((1, 1, 3), np.float32)
    flipped = sum(_apply(RandomFlip('z', prob=0.3), one)[1][0, 0, 2] < 0 for _ in range(1000))
    assert 230 < flipped < 370
    assert (_apply(RandomFlip(prob=0))[1] == before).all()


def test_scale_coordinates():
    before, after = _apply(ScaleCoordinates(factor=1 / 300))
    np.testing.assert_allclose(after[..., :3], before[..., :3] / 300, rtol=1e-6)
    np.testing.assert_array_equal(before[..., 3:], after[..., 3:])


def test_jitter_is_independent_noise():
    points = np.zeros((20, 500, 4), np.float32)
    noise = _apply(RandomJitter(sigma=0.1), points)[1]
    assert (noise[..., 3] == 0).all()
    noise = noise[..., :3]
    assert abs(noise.mean()) < 0.003 and abs(noise.std() - 0.1) < 0.003
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1
    clipped = _apply(RandomJitter(sigma=0.1, clip=0.05), points)[1][..., :3]
    assert np.abs(clipped).max() <= 0.05 + 1e-7
    assert 0.55 < (np.abs(clipped) > 0.0499).mean() < 0.68  # beyond half a sigma: 61.7 %


def test_same_seed_same_augmentation():
    for transform in (*RANDOM, RandomJitter(0.1)):
        draws = []
        for seed in (5, 5, 6):
            np.random.seed(seed)
            draws.append(_apply(transform)[1])
        np.testing.assert_array_equal(draws[0], draws[1])
        if not isinstance(transform, RandomFlip):
            assert (draws[0] != draws[2]).any()
        key = dict(test_mode=True, video_id='v', clip_start=1)
        np.testing.assert_array_equal(_apply(transform, **key)[1], _apply(transform, **key)[1])


@pytest.mark.parametrize(
    ('config', 'text'),
    [
        (dict(type='ScaleCoordinates', factor=-1), 'factor: expected'),
        (dict(type='ScaleCoordinates', factor=float('nan')), 'factor: expected'),
        (dict(type='ScaleCoordinates', factor='1'), "factor: expected a number above 0, got '1'"),
        (dict(type='ScaleCoordinates', factor=True), 'factor: expected'),
        (dict(type='RandomScale', scale_range=(1.1, 0.9)), '0 < low <= high'),
        (dict(type='RandomScale', scale_range=(-0.1, 0.9)), '0 < low <= high'),
        (dict(type='RandomScale', scale_range=0.9), r'expected \(low, high\)'),
        (dict(type='RandomScale', about='person'), "'origin' or 'clip'"),
        (dict(type='RandomRotate', angle_range=(1, -1)), 'low <= high'),
        (dict(type='RandomRotate', angle_range=(0, 1), axis='w'), "'x', 'y' or 'z'"),
        (dict(type='RandomFlip', axis=0), "'x', 'y' or 'z'"),
        (dict(type='RandomFlip', prob=1.5), r'prob: expected 0\.\.1'),
        (dict(type='RandomJitter', sigma=-0.1), 'sigma: expected'),
        (dict(type='RandomJitter', sigma=0.1, clip=0), 'clip: expected'),
    ],
)
def test_wrong_options(config, text):
    with pytest.raises(ValueError, match=text):
        TRANSFORMS.build(config)
