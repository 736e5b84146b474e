"""SamplePoints: which points, in which order, with what alongside."""

import numpy as np
import pytest

from mmpointvideo.datasets.storage import FrameBatch
from mmpointvideo.datasets.transforms import SampleFrames, SamplePoints
from mmpointvideo.datasets.transforms.sampling import sample_indices


def _frames(counts, bad=None):
    """Frames whose coordinates, features and labels all tell frame and point."""
    frame = np.repeat(np.arange(len(counts)), counts)
    point = np.concatenate([np.arange(n) for n in counts])
    xyz = np.stack([frame, point, 1000 * frame + point], axis=1).astype(np.float32)
    if bad is not None:
        xyz[bad] = np.nan
    channels = dict(
        part=(1000 * frame + point).astype(np.int32),
        rgb=np.stack([point, frame, point + frame], axis=1).astype(np.int16),
        level=(point * 2).astype(np.float32),
    )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return FrameBatch(xyz, channels, offsets)


def _sample(counts, num_points, features=(), empty_frame='error', **results):
    results = dict(frames=_frames(counts), feature_channels=features, **results)
    return SamplePoints(num_points, empty_frame)(results)


def test_enough_points_are_drawn_without_repetition():
    results = _sample([50, 20, 21], 20)
    points = results['points']
    assert points.shape == (3, 20, 3) and points.dtype == np.float32
    assert 'frames' not in results
    for t, count in enumerate([50, 20, 21]):
        assert (points[t, :, 0] == t).all()
        drawn = points[t, :, 1]
        assert len(np.unique(drawn)) == 20 and drawn.min() >= 0 and drawn.max() < count


def test_too_few_points_are_repeated_evenly():
    points = _sample([3, 7, 1], 17)['points']
    for t, (count, times) in enumerate([(3, {5, 6}), (7, {2, 3}), (1, {17})]):
        values, occurrences = np.unique(points[t, :, 1], return_counts=True)
        assert values.tolist() == list(range(count))
        assert set(occurrences.tolist()) == times and occurrences.sum() == 17


def test_features_and_labels_stay_with_their_point():
    results = _sample([40, 5, 16], 16, features=('rgb', 'level'))
    points, labels = results['points'], results['point_labels']
    assert points.shape == (3, 16, 7)
    frame, point = points[..., 0], points[..., 1]
    np.testing.assert_array_equal(points[..., 3], point)
    np.testing.assert_array_equal(points[..., 4], frame)
    np.testing.assert_array_equal(points[..., 5], point + frame)
    np.testing.assert_array_equal(points[..., 6], 2 * point)
    assert set(labels) == {'part'} and labels['part'].dtype == np.int32
    np.testing.assert_array_equal(labels['part'], 1000 * frame + point)


@pytest.mark.parametrize(('count', 'size'), [(12, 4), (5, 12), (6, 6)])
def test_every_point_is_equally_likely_at_every_place(count, size):
    """Each place of the order sees every point with probability 1/n (six sigma)."""
    rng = np.random.default_rng(3)
    draws = 6000
    counts = np.zeros((size, count))
    for _ in range(draws):
        counts[np.arange(size), sample_indices(count, size, rng)] += 1
    expected = draws / count
    sigma = np.sqrt(draws * (1 / count) * (1 - 1 / count))
    assert np.abs(counts - expected).max() < 6 * sigma


def test_repeated_frames_draw_their_own_points():
    frames = _frames([100])
    same = FrameBatch(
        np.concatenate([frames.xyz, frames.xyz]), {}, np.array([0, 100, 200], np.int64)
    )
    points = SamplePoints(64)(dict(frames=same))['points']
    assert (points[0] != points[1]).any()
    assert set(points[0, :, 1]) != set(points[1, :, 1])


def test_empty_frames():
    with pytest.raises(ValueError, match=r"video v.*frame\(s\) \[11, 14\] of 5; empty_frame='nea"):
        _sample([3, 0, 4, 5, 0], 4, video_id='v', frame_inds=[10, 11, 12, 13, 14])
    points = _sample([0, 3, 0, 0, 0, 4, 0], 4, empty_frame='nearest')['points']
    assert points[:, 0, 0].tolist() == [1, 1, 1, 1, 5, 5, 5]
    assert (points[:, :, 0] == points[:, :1, 0]).all()
    tie = _sample([3, 0, 4], 4, empty_frame='nearest')['points']
    assert tie[1, 0, 0] == 0
    with pytest.raises(ValueError, match=r'no points in frame\(s\) \[0, 1\] of 2$'):
        _sample([0, 0], 4, empty_frame='nearest')


def test_not_finite_coordinates():
    results = dict(frames=_frames([3, 4], bad=(4, 1)), video_id='v', frame_inds=[20, 21])
    with pytest.raises(ValueError, match='video v.*NaN or infinite coordinates in frame 21'):
        SamplePoints(2)(results)


def test_test_mode_is_seeded_by_video_and_start():
    def draw(**key):
        options = dict(video_id='a', clip_start=3, test_mode=True)
        np.random.seed(np.random.randint(1000))
        return _sample([200, 200], 32, **{**options, **key})['points']

    first = draw()
    np.testing.assert_array_equal(first, draw())
    for key in (dict(video_id='b'), dict(clip_start=4), dict(test_mode=False)):
        assert (draw(**key) != first).any()
    assert (first[0, :, 1] != first[1, :, 1]).any()


def test_seed_in_test_mode_is_a_checksum():
    """Known numbers: Python's own hash would differ from process to process."""
    key = dict(video_id='a01_s01_e01', clip_start=2, test_mode=True)
    known = np.random.default_rng([3134109556, 825438988, 2])
    assert SamplePoints(4).rng(key).bit_generator.state == known.bit_generator.state


def test_options():
    for wrong in (0, -3, 2.5, True):
        with pytest.raises(ValueError, match='num_points: expected'):
            SamplePoints(wrong)
    with pytest.raises(ValueError, match="'error' or 'nearest', got 'skip'"):
        SamplePoints(4, empty_frame='skip')
    with pytest.raises(ValueError, match="mode: expected 'clip'"):
        SampleFrames(mode='video')
    assert repr(SamplePoints(4)) == "SamplePoints(num_points=4, empty_frame='error')"
