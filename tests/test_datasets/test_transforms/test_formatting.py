"""Splitting and packing; the whole pipeline from a store to a batch."""

import runpy
import sys

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from mmpointvideo.datasets.transforms import PackPointVideoInputs, SplitSegments, base
from mmpointvideo.models import PointVideoDataPreprocessor
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_clip, write_tiny_dataset


def _results(**extra):
    points = tiny_clip(6, 10)
    labels = dict(part=np.arange(60, dtype=np.uint8).reshape(6, 10))
    return dict(points=points, point_labels=labels, video_id='v', clip_start=4, **extra)


def test_pack():
    frame_inds = np.arange(4, 10)
    results = _results(gt_label=3, frame_inds=frame_inds, sample_idx=8, video_path='/x')
    packed = PackPointVideoInputs()(results)
    assert set(packed) == {'inputs', 'data_samples'}
    np.testing.assert_array_equal(packed['inputs'].numpy(), results['points'])
    sample = packed['data_samples']
    assert isinstance(sample, PointVideoDataSample)
    assert sample.gt_label.tolist() == [3] and 'gt_pts_seg' not in sample
    assert set(sample.metainfo) == {'video_id', 'clip_start', 'frame_inds', 'sample_idx'}
    assert sample.frame_inds.tolist() == frame_inds.tolist()
    assert 'gt_label' not in PackPointVideoInputs()(_results())['data_samples']


def test_labels_are_split_with_the_points():
    results = _results()
    whole, part = results['points'].copy(), results['point_labels']['part'].copy()
    packed = PackPointVideoInputs(seg_label='part')(SplitSegments(3)(results))
    seg = packed['data_samples'].gt_pts_seg
    assert packed['inputs'].shape == (3, 2, 10, 3) and seg.shape == (3, 2, 10)
    for t in range(6):
        np.testing.assert_array_equal(packed['inputs'][t // 2, t % 2], whole[t])
        np.testing.assert_array_equal(seg[t // 2, t % 2], part[t])


def test_errors():
    with pytest.raises(ValueError, match=r'6 frames cannot be split into 4.*\[1, 2, 3, 6\]'):
        SplitSegments(4)(_results())
    with pytest.raises(ValueError, match='num_segments: expected'):
        SplitSegments(0)
    with pytest.raises(ValueError, match=r"video v.*one of \['part'\], got 'semantic'"):
        PackPointVideoInputs(seg_label='semantic')(_results())


@pytest.mark.parametrize('workers', [0, 2])
def test_from_store_to_batch(tmp_path, workers):
    path = write_tiny_dataset(tmp_path)
    loader = dict(
        batch_size=4,
        num_workers=workers,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            type='mmpointvideo.MSRAction3DDataset',
            ann_file=str(path),
            split='train',
            num_frames=8,
            pipeline=[
                dict(type='SampleFrames'),
                dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['part']),
                dict(type='SamplePoints', num_points=32),
                dict(type='ScaleCoordinates', factor=1 / 300),
                dict(type='SplitSegments', num_segments=2),
                dict(type='PackPointVideoInputs', seg_label='part'),
            ],
        ),
    )
    loader = Runner.build_dataloader(loader, seed=3)
    preprocessor = PointVideoDataPreprocessor()
    seen = []
    for data in loader:
        batch = preprocessor(data, training=True)
        xyz, features = batch['inputs']['xyz'], batch['inputs']['features']
        assert xyz.shape[1:] == (2, 4, 32, 3) and features.shape[1:] == (2, 4, 3, 32)
        assert features.min() >= 0 and 100 < features.max() <= 255
        for clip, sample in zip(xyz, batch['data_samples'], strict=True):
            assert torch.equal(sample.gt_pts_seg == 1, clip[..., 1] < 0)
            assert sample.gt_label.item() == int(sample.video_id[1:3]) - 1
            seen.append(sample.sample_idx)
    assert sorted(seen) == list(range(28))


def test_options_are_checked():
    for wrong in (True, 1.0, 0):
        with pytest.raises(ValueError, match='num_segments: expected an integer above 0'):
            SplitSegments(wrong)
    with pytest.raises(TypeError, match="meta_keys: expected a list of names, got 'video_id'"):
        PackPointVideoInputs(meta_keys='video_id')
    assert PackPointVideoInputs(meta_keys=['video_id']).meta_keys == ('video_id',)


def test_missing_mmcv_gives_a_hint(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv.transforms', None)
    with pytest.raises(ImportError, match='pip install mmcv-lite'):
        runpy.run_path(base.__file__)
