"""Clip starts and frames, against the published counts and a literal loop."""

import gzip
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from mmpointvideo.datasets.clips import check_clip_options, clip_frames, clip_span, clip_starts

# cross-subject training subjects of NTU RGB+D 60
NTU_TRAIN = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}


def _msr(shared_dir):
    lines = (shared_dir / 'data' / 'msr_action3d_videos.txt').read_text().split('\n')
    videos = [line.split() for line in lines if line]
    train = [int(n) for name, n in videos if int(name[5:7]) <= 5]
    test = [int(n) for name, n in videos if int(name[5:7]) > 5]
    assert (len(train), len(test)) == (270, 297)
    return train, test


def _kept(lengths, *args):
    return sum(len(clip_starts(n, *args, short_videos='drop')) > 0 for n in lengths)


@pytest.mark.parametrize(
    ('num_frames', 'train_videos', 'test_videos', 'train_clips'),
    [(16, 268, 297, 6587), (24, 257, 287, 4478)],
)
def test_published_counts_of_msr(shared_dir, num_frames, train_videos, test_videos, train_clips):
    train, test = _msr(shared_dir)
    assert _kept(train, num_frames) == train_videos
    assert _kept(test, num_frames) == test_videos
    clips = [len(clip_starts(n, num_frames, short_videos='drop')) for n in train]
    assert sum(clips) == train_clips
    padded = [len(clip_starts(n, num_frames)) for n in train]
    assert sum(padded) == train_clips + len(train) - train_videos


@pytest.mark.parametrize(('num_frames', 'kept'), [(20, 293), (32, 232), (36, 192)])
def test_published_test_videos_of_msr(shared_dir, num_frames, kept):
    assert _kept(_msr(shared_dir)[1], num_frames) == kept


def test_published_counts_of_ntu(shared_dir):
    with gzip.open(shared_dir / 'data' / 'ntu60_videos.txt.gz', 'rt') as file:
        videos = [line.split() for line in file]
    test = [int(n) for name, n in videos if int(name[9:12]) not in NTU_TRAIN]
    assert len(test) == 16560
    assert _kept(test, 24, 2) == 16156


@pytest.mark.parametrize('interval', [1, 2, 3])
@pytest.mark.parametrize('stride', [1, 2, 5])
@pytest.mark.parametrize('num_frames', [1, 4])
def test_every_start_holds_a_whole_clip(interval, stride, num_frames):
    for total in range(1, 30):
        wanted = [
            start
            for start in range(0, total, stride)
            if start + interval * (num_frames - 1) <= total - 1
        ]
        starts = clip_starts(total, num_frames, interval, stride, short_videos='drop')
        assert starts.tolist() == wanted
        padded = clip_starts(total, num_frames, interval, stride)
        assert padded.tolist() == (wanted or [0])
        for start in wanted:
            frames = clip_frames(start, num_frames, interval, total)
            assert frames.tolist() == [start + interval * t for t in range(num_frames)]
            assert frames[-1] - frames[0] + 1 == clip_span(num_frames, interval)


def test_even_clips():
    assert clip_starts(30, 24, clips=1).tolist() == [3]
    assert clip_starts(30, 24, clips=2).tolist() == [0, 6]
    assert clip_starts(30, 24, clips=4).tolist() == [0, 2, 4, 6]
    assert clip_starts(30, 24, clips=7).tolist() == list(range(7))
    assert clip_starts(30, 24, clips=100).tolist() == list(range(7))
    assert clip_starts(10, 24, clips=3).tolist() == [0]
    for total in range(24, 200):
        starts = clip_starts(total, 24, clips=10)
        assert len(set(starts.tolist())) == len(starts) == min(10, total - 23)
        gaps = np.diff(starts)
        assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_few_clips_of_a_long_video_take_little_memory():
    tracemalloc.start()
    starts = clip_starts(2**31, 16, clip_stride=2, clips=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert starts.tolist() == [0, 2**30 - 8, 2**31 - 16] and starts.dtype == np.int64
    assert clip_starts(2**31, 16, clips=1).tolist() == [2**30 - 8]
    assert peak < 1 << 20


def test_padding_repeats_the_last_frame():
    assert clip_frames(0, 6, 1, 4).tolist() == [0, 1, 2, 3, 3, 3]
    assert clip_frames(1, 4, 3, 6).tolist() == [1, 4, 5, 5]
    for start in (-1, 4):
        with pytest.raises(ValueError, match=r'expected 0\.\.3'):
            clip_frames(start, 6, 1, 4)


@pytest.mark.parametrize(
    ('option', 'value', 'error'),
    [
        ('num_frames', 0, ValueError),
        ('num_frames', 2.0, TypeError),
        ('frame_interval', -1, ValueError),
        ('clip_stride', 0, ValueError),
        ('clips', -3, ValueError),
        ('clips', 'some', ValueError),
        ('clips', True, TypeError),
        ('short_videos', 'keep', ValueError),
    ],
)
def test_wrong_options(option, value, error):
    options = dict(num_frames=4, frame_interval=1, clip_stride=1, clips='all', short_videos='pad')
    check_clip_options(**options)
    with pytest.raises(error, match=f'{option}: expected'):
        check_clip_options(**{**options, option: value})


def test_random_start_is_uniform_over_the_starts():
    from mmpointvideo.datasets.transforms import SampleFrames

    sample = SampleFrames()
    item = dict(num_frames=4, total_frames=13, frame_interval=2, clip_stride=2, clip_start=None)
    results = [sample(dict(item)) for _ in range(600)]
    counts = Counter(result['clip_start'] for result in results)
    assert set(counts) == {0, 2, 4, 6}
    assert all(100 < count < 200 for count in counts.values())
    for result in results[:20]:
        start = result['clip_start']
        assert result['frame_inds'].tolist() == [start, start + 2, start + 4, start + 6]
