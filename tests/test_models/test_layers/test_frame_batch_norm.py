"""Per-frame statistics, batched, against BatchNorm called frame by frame."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mmpointvideo import ops
from mmpointvideo.models.layers import frame_norm_relu

BACKENDS = [name for name in ops.available_backends() if name in ('torch', 'numba')]


def by_frame(x, norm, statistics='frame'):
    if statistics == 'joint':
        return norm(x.flatten(0, 2)).relu().view_as(x)
    return torch.stack([norm(part.transpose(1, 2)).relu() for part in x.unbind(1)], 1).transpose(
        2, 3
    )


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('statistics', ['frame', 'joint'])
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
    'options',
    [dict(), dict(momentum=None), dict(affine=False), dict(track_running_stats=False)],
    ids=str,
)
def test_equals_batch_norm(backend, statistics, training, options):
    norm = nn.BatchNorm1d(5, **options).double().train(training)
    if norm.weight is not None:
        nn.init.uniform_(norm.weight, -1, 1)
        nn.init.uniform_(norm.bias, -1, 1)
    if norm.running_mean is not None:
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    other = copy.deepcopy(norm)
    x = torch.randn(3, 4, 6, 5, dtype=torch.float64) * 2 + 1
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    grad = torch.randn_like(x)
    with ops.use_backend(backend):
        for _ in range(2):  # the second call continues the running averages
            ours = frame_norm_relu(first, norm, statistics)
        ours.backward(grad)
    for _ in range(2):
        theirs = by_frame(second, other, statistics)
    theirs.backward(grad)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(first.grad, second.grad)
    for (name, mine), (_, their) in zip(
        norm.named_parameters(), other.named_parameters(), strict=True
    ):
        torch.testing.assert_close(mine.grad, their.grad, msg=name)
    for (name, mine), (_, their) in zip(norm.named_buffers(), other.named_buffers(), strict=True):
        torch.testing.assert_close(mine, their, msg=name)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('statistics', ['frame', 'joint'])
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('slots', [None, [[0, 0, 1], [2, 3, 3]]], ids=['frames', 'shared taps'])
def test_some_points_are_those_of_all_points(backend, statistics, training, slots):
    slots = None if slots is None else torch.tensor(slots)
    frames, channels = (4, 5) if slots is None else (2, 15)
    norm = nn.BatchNorm1d(channels).double().train(training)
    nn.init.uniform_(norm.weight, -1, 1)
    nn.init.uniform_(norm.bias, -1, 1)
    other = copy.deepcopy(norm)
    x = torch.randn(3, 4, 6, 5, dtype=torch.float64) + 1
    rows = torch.stack([torch.randperm(6)[:3] for _ in range(3 * frames)]).view(3, frames, 3)
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    with ops.use_backend(backend):
        ours = frame_norm_relu(first, norm, statistics, slots, rows)
        taps = second if slots is None else second[:, slots].transpose(2, 3).flatten(3)
        everything = by_frame(taps, other, statistics)
    expected = everything.gather(2, rows[..., None].expand(-1, -1, -1, channels))
    grad = torch.randn_like(expected)
    ours.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(first.grad, second.grad)
    torch.testing.assert_close(norm.weight.grad, other.weight.grad)
    torch.testing.assert_close(norm.bias.grad, other.bias.grad)
    torch.testing.assert_close(norm.running_var, other.running_var)


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_large_mean_does_not_cancel(backend):
    x = torch.randn(2, 3, 50, 4) * 0.01 + 100
    norm = nn.BatchNorm1d(4)
    with ops.use_backend(backend):
        out = frame_norm_relu(x, norm)
    expected = by_frame(x.double(), nn.BatchNorm1d(4).double()).float()
    torch.testing.assert_close(out, expected, rtol=0, atol=0.01)


def test_one_value_a_channel_is_an_error():
    with pytest.raises(ValueError, match='more than one value per channel'):
        frame_norm_relu(torch.rand(1, 3, 1, 4), nn.BatchNorm1d(4))
    assert torch.isfinite(frame_norm_relu(torch.rand(1, 3, 1, 4), nn.BatchNorm1d(4).eval())).all()
