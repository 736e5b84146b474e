"""Transforms of single segments: what was done to each, recovered from the points."""

import numpy as np
import pytest

from mmpointvideo.datasets.sample_index import SampleIndex, sample_randomness
from mmpointvideo.datasets.transforms import ForEachSegment, RandomRotate, RandomScale
from mmpointvideo.registry import TRANSFORMS
from mmpointvideo.testing import tiny_clip


def _segments():
    return tiny_clip(6, 30, 2).reshape(3, 2, 30, 5)


def _scales(before, after):
    """Factors of every segment, ``(L, 3)``; they are the same for all its points."""
    ratio = after[..., :3] / before[..., :3]
    factors = ratio.reshape(len(ratio), -1, 3)
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-4)
    return factors[:, 0]


def test_every_segment_draws_for_itself():
    before = _segments()
    transform = TRANSFORMS.build(
        dict(
            type='ForEachSegment',
            transforms=[dict(type='RandomScale', scale_range=(0.5, 2.0), anisotropic=True)],
        )
    )
    after = transform(dict(points=before.copy()))['points']
    factors = _scales(before, after)
    assert len(np.unique(factors)) == 9
    np.testing.assert_array_equal(before[..., 3:], after[..., 3:])
    assert after.dtype == np.float32 and transform.is_augmentation


def test_what_a_transform_returns_is_taken():
    def doubled(results):
        return dict(results, points=2 * results['points'])  # a new array

    before = _segments()
    after = ForEachSegment([doubled, doubled])(dict(points=before.copy()))['points']
    np.testing.assert_array_equal(after, 4 * before)


def test_seeds():
    """The same sample gives the same draws, and a tested clip always."""
    before = _segments()
    transform = ForEachSegment([RandomScale((0.5, 2.0)), RandomRotate((-1, 1), about='clip')])
    drawn = []
    for seed in (1, 1, 2):
        with sample_randomness(SampleIndex(0, (seed,))):
            drawn.append(transform(dict(points=before.copy()))['points'])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    tested = [
        transform(dict(points=before.copy(), test_mode=True, video_id='a'))['points']
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*tested)
    scale = ForEachSegment([RandomScale((0.5, 2.0))])
    factors = _scales(before, scale(dict(points=before.copy(), test_mode=True))['points'])
    assert len(np.unique(factors)) == 9


def test_what_does_not_fit():
    with pytest.raises(TypeError, match='expected a list of transforms'):
        ForEachSegment(dict(type='RandomScale'))
    transform = ForEachSegment([RandomScale()])
    with pytest.raises(ValueError, match='behind SplitSegments'):
        transform(dict(points=tiny_clip(6, 30, 2)))

    def half(results):
        return dict(results, points=results['points'][:, ::2])

    with pytest.raises(ValueError, match=r'points of shape \(2, 15, 5\) from \(2, 30, 5\)'):
        ForEachSegment([half])(dict(points=_segments()))
