"""Which points and anchors are left of a layer's tubes, against sets in Python."""

from __future__ import annotations

import pytest
import torch

from mmpointvideo.models.layers import PSTConv

CASES = {
    'windows': dict(temporal_padding=(0, 0)),
    'zeros that are skipped': dict(temporal_padding=(1, 1)),
    'a frame of zeros': dict(temporal_padding=(1, 1), aggregation='addition'),
    'shared taps': dict(temporal_padding=(1, 1), padding_mode='replicate'),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    torch.manual_seed(0)
    conv = PSTConv(2, 3, 4, 0.6, 2, 3, spatial_stride=2, **request.param).double()
    xyz = torch.rand(2, 5, 32, 3, dtype=torch.float64)
    features = torch.randn(2, 5, 2, 32, dtype=torch.float64)
    return conv, xyz, features


def points_read(tubes):
    """Of every frame of the batch, the set of points that a neighbour list names."""
    read = [set() for _ in range(tubes.xyz.shape[0] * tubes.xyz.shape[1])]
    for neighbors, frames in zip(tubes.idx, tubes.frames, strict=True):
        for near, frame in zip(neighbors, frames, strict=True):
            if frame >= 0:
                read[frame] |= set(near.flatten().tolist())
    return read


def test_the_points_that_are_left_are_those_that_are_read(case):
    conv, xyz, _ = case
    tubes = conv.query(xyz)
    left, rows = tubes.only_read_points()
    read = points_read(tubes)
    frames = tubes.xyz.shape[1]
    real = [points for f, points in enumerate(read) if f % frames < 5]
    assert rows.shape == (2, 5, max(map(len, real))) and rows.shape[2] < 32
    assert left.xyz.shape == (2, frames, rows.shape[2], 3)
    for found, points in zip(rows.flatten(0, 1).tolist(), real, strict=True):
        assert found[: len(points)] == sorted(points)
        assert set(found[len(points) :]) <= {0}
    # every tap still reads the same position
    for neighbors, others, sources in zip(left.idx, tubes.idx, tubes.frames, strict=True):
        for near, other, frame in zip(neighbors, others, sources, strict=True):
            if frame >= 0:
                expected = tubes.xyz.flatten(0, 1)[frame, other]
                assert torch.equal(left.xyz.flatten(0, 1)[frame, near], expected)


def test_layers_on_what_is_left_give_the_same(case):
    conv, xyz, features = case
    anchors, expected = conv(xyz, features)
    left, rows = conv.query(xyz).only_read_points()
    some = torch.stack([torch.randperm(16)[:5] for _ in range(2 * anchors.shape[1])])
    some = some.view(2, -1, 5)
    given = features.gather(3, rows[:, :, None].expand(-1, -1, 2, -1))
    points, out = conv(left._replace(rows=some), given)
    torch.testing.assert_close(points, anchors.gather(2, some[..., None].expand(-1, -1, -1, 3)))
    at = some[:, :, None].expand(-1, -1, 4, -1)
    torch.testing.assert_close(out, expected.gather(3, at))
    conv.eval()
    expected = conv(xyz, features)[1].gather(3, at)
    again, out = conv(left.only_anchors(some), given)
    assert torch.equal(again, points)
    torch.testing.assert_close(out, expected)


def test_nothing_is_left_out_where_all_is_read():
    conv = PSTConv(0, 3, 4, 0.5, 8, 1)
    tubes = conv.query(torch.rand(1, 2, 8, 3) / 10)
    left, rows = tubes.only_read_points()
    assert rows is None and left is tubes
