"""PointVideoDataSample: what its fields accept."""

import copy
import pickle

import numpy as np
import pytest
import torch

from mmpointvideo.structures import PointVideoDataSample


@pytest.mark.parametrize('value', [3, [3], np.int64(3), np.array([3]), torch.tensor(3)])
@pytest.mark.parametrize('name', ['gt_label', 'pred_label'])
def test_labels_become_tensors(name, value):
    sample = PointVideoDataSample(**{name: value})
    label = getattr(sample, name)
    assert label.dtype == torch.int64 and label.tolist() == [3]
    assert sample.to_dict()[name] is label


def test_scores_and_segmentations():
    sample = PointVideoDataSample()
    sample.pred_score = np.array([0.25, 0.75])
    sample.gt_pts_seg = np.ones((2, 5), np.uint8)
    sample.pred_pts_seg = torch.zeros(2, 3, 5, dtype=torch.int32)
    assert sample.pred_score.tolist() == [0.25, 0.75]
    assert sample.gt_pts_seg.dtype == sample.pred_pts_seg.dtype == torch.int64
    assert set(sample.keys()) == {'pred_score', 'gt_pts_seg', 'pred_pts_seg'}


@pytest.mark.parametrize(
    ('name', 'value', 'error'),
    [
        ('gt_label', 1.5, TypeError),
        ('gt_label', 'wave', TypeError),
        ('gt_label', torch.tensor([True]), TypeError),
        ('gt_label', [1, 2], ValueError),
        ('pred_score', torch.tensor([1, 2]), TypeError),
        ('pred_score', torch.rand(1, 4), ValueError),
        ('gt_pts_seg', torch.zeros(4, dtype=torch.int64), ValueError),
        ('gt_pts_seg', torch.zeros(4, 4), TypeError),
    ],
)
def test_wrong_values(name, value, error):
    sample = PointVideoDataSample()
    with pytest.raises(error, match=f'{name}: expected'):
        setattr(sample, name, value)
    assert name not in sample


def test_copies_keep_everything():
    meta = dict(video_id='a01_s01_e01', video_index=7, frame_inds=np.arange(4))
    sample = PointVideoDataSample(metainfo=meta, gt_label=1, pred_score=torch.rand(3))
    for other in (
        sample.clone(),
        copy.deepcopy(sample),
        pickle.loads(pickle.dumps(sample)),
        sample.to('cpu'),
        sample.detach(),
    ):
        assert isinstance(other, PointVideoDataSample)
        assert other.video_index == 7 and other.frame_inds.tolist() == [0, 1, 2, 3]
        assert torch.equal(other.gt_label, sample.gt_label)
        assert torch.equal(other.pred_score, sample.pred_score)
    arrays = sample.numpy()
    assert isinstance(arrays.pred_score, np.ndarray) and arrays.video_id == 'a01_s01_e01'
    assert sample.pop('gt_label').item() == 1 and 'gt_label' not in sample
