"""What a pre-trained model makes of frames."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmpointvideo.apis import (
    encode_superpoints,
    init_model,
    merge_prototypes,
    open_video,
    point_prototypes,
    prototype_shares,
    spread_to_points,
)
from mmpointvideo.apis.superpoints import check_pretraining
from mmpointvideo.testing import tiny_clip

PIPELINE = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=48),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='RandomScale', scale_range=(0.5, 1.5)),
    dict(type='SplitSegments', num_segments=2),
    dict(type='PackPointVideoInputs'),
]


def config(root):
    cfg = Config.fromfile(root / 'configs/_base_/models/pointcpsc_pstnet-tiny.py')
    cfg.default_scope = 'mmpointvideo'
    cfg.train_dataloader = dict(dataset=dict(num_frames=8, clips='random', pipeline=PIPELINE))
    return cfg


@pytest.fixture(scope='module')
def model(root):
    torch.manual_seed(0)
    return init_model(config(root), device='cpu')


def test_superpoints_lie_in_their_frames(model):
    clip = tiny_clip(6, 60) * 300
    found = encode_superpoints(model, clip, batch_size=4)
    assert found.xyz.shape == (6, 3, 3) and found.tokens.shape == (6, 3, 256)
    for frame, xyz in zip(clip, found.xyz, strict=True):  # in the data's unit, not scaled at random
        distance = torch.cdist(xyz.double(), torch.from_numpy(frame).double())
        assert distance.min(dim=1).values.max() < 1e-2
    torch.testing.assert_close(found.tokens.norm(dim=-1), torch.ones(6, 3))
    one = encode_superpoints(model, clip, [4])
    torch.testing.assert_close(one.tokens[0], found.tokens[4], rtol=1e-4, atol=1e-5)


def test_prototypes_of_points(model):
    clip = tiny_clip(3, 60) * 300
    shares = prototype_shares(model, encode_superpoints(model, clip))
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(3, 3))
    labels = point_prototypes(model, list(clip) + [clip[0, :0]], [0, 2])
    assert [len(label) for label in labels] == [60, 60] and set(labels[0]) <= set(range(10))


def test_spreading():
    xyz = torch.tensor([[500.0, 0, 0], [502, 0, 0], [504, 0, 0]])
    values = torch.eye(3)
    points = np.array([[500, 0, 0], [501, 0, 0], [504.2, 0, 0]])
    out = spread_to_points(points, xyz, values)
    torch.testing.assert_close(out[0], torch.tensor([1.0, 0, 0]), atol=1e-6, rtol=0)
    # inverse distances 1, 1 and 1/3
    torch.testing.assert_close(out[1], torch.tensor([3 / 7, 3 / 7, 1 / 7]))
    assert out[2].argmax() == 2
    assert spread_to_points(np.zeros((0, 3)), xyz, values).shape == (0, 3)


def test_merging():
    likeness = np.full((5, 5), 0.1)
    for a, b, value in ((0, 3, 0.9), (1, 4, 0.8), (1, 2, 0.5), (2, 4, 0.6)):
        likeness[a, b] = likeness[b, a] = value
    assert merge_prototypes(likeness, 5).tolist() == [0, 1, 2, 3, 4]
    assert merge_prototypes(likeness, 3).tolist() == [0, 1, 2, 0, 1]
    assert merge_prototypes(likeness, 2).tolist() == [0, 1, 1, 0, 1]
    used = np.array([True, True, False, False, False])
    assert merge_prototypes(likeness, 2, used).tolist() == [0, 1, 1, 0, 1]
    with pytest.raises(ValueError, match='expected 1..5'):
        merge_prototypes(likeness, 6)


def test_errors(model, root):
    with pytest.raises(TypeError, match='expected a PointCPSC, got Linear'):
        check_pretraining(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match='the memory bank is empty'):
        check_pretraining(model, 'memory_bank')
    cfg = config(root)
    cfg.model.pop('cluster_head')
    with pytest.raises(ValueError, match='no cluster_head: use a config with the paper'):
        check_pretraining(init_model(cfg, device='cpu'), 'cluster_head')
    cfg.train_dataloader.dataset.pipeline = PIPELINE[:-2] + PIPELINE[-1:]
    with pytest.raises(ValueError, match='into how many segments'):
        encode_superpoints(init_model(cfg, device='cpu'), tiny_clip(8, 60))
    with pytest.raises(ValueError, match='NaN'):
        open_video(np.full((2, 4, 3), np.nan))
