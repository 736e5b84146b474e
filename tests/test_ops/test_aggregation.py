"""The fused aggregation against the grouped tensor it avoids."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from mmpointvideo import ops

BACKENDS = [name for name in ops.available_backends() if name in ('torch', 'numba')]


def grouped(features, weight, xyz, centers, idx, frames, aggregation, pooling) -> Tensor:
    """The definition, with the tensor over neighbours and channels."""
    real = (frames >= 0)[:, :, None, None]
    source = frames.clamp(min=0)[:, :, None, None].expand_as(idx)
    value = (xyz[source, idx] - centers[:, None, :, None]) @ weight.t()  # (A, S, M, K, C)
    if features is not None:
        near = features[source, idx]
        value = value * near if aggregation == 'multiplication' else value + near
    if pooling == 'sum':
        value = value.sum(3)
    elif pooling == 'avg':
        value = value.mean(3)
    else:
        value = value.amax(3) if not value.requires_grad else value.max(3).values
    return (value * real).transpose(1, 2)


def inputs(dtype=torch.float64, channels=5, padded=True):
    num_frames, points, anchors, taps, centers, neighbors = 3, 11, 4, 3, 6, 7
    xyz = torch.rand(num_frames, points, 3, dtype=dtype)
    idx = torch.randint(0, points, (anchors, taps, centers, neighbors))
    if padded:  # as a ball query pads: the first repeats at the end
        idx[:, :, ::2, 3:] = idx[:, :, ::2, :1]
    frames = torch.randint(0, num_frames, (anchors, taps))
    features = torch.randn(num_frames, points, channels, dtype=dtype)
    weight = torch.randn(channels, 3, dtype=dtype)
    return features, weight, xyz, torch.rand(anchors, centers, 3, dtype=dtype), idx, frames


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(
    ('aggregation', 'pooling', 'with_features'),
    list(itertools.product(['multiplication', 'addition'], ['sum', 'max', 'avg'], [True, False])),
)
def test_equals_the_grouped_definition(backend, aggregation, pooling, with_features):
    features, weight, xyz, centers, idx, frames = inputs()
    if aggregation == 'multiplication' and with_features:
        frames[1, 2] = frames[3] = -1
    given = features.clone().requires_grad_() if with_features else None
    theirs = features.clone().requires_grad_() if with_features else None
    given_weight = weight.clone().requires_grad_()
    their_weight = weight.clone().requires_grad_()
    with ops.use_backend(backend):
        out = ops.aggregate_displaced(
            given, given_weight, xyz, centers, idx, frames, aggregation, pooling
        )
        grad = torch.randn_like(out)
        out.backward(grad)
    expected = grouped(theirs, their_weight, xyz, centers, idx, frames, aggregation, pooling)
    expected.backward(grad)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(given_weight.grad, their_weight.grad)
    if with_features:
        torch.testing.assert_close(given.grad, theirs.grad)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('pooling', ['sum', 'max'])
@pytest.mark.parametrize('aggregation', ['multiplication', 'addition'])
def test_gradcheck(backend, aggregation, pooling):
    features, weight, xyz, centers, idx, frames = inputs(channels=3)
    with ops.use_backend(backend):
        assert torch.autograd.gradcheck(
            lambda f, w: ops.aggregate_displaced(
                f, w, xyz, centers, idx, frames, aggregation, pooling
            ),
            (features.requires_grad_(), weight.requires_grad_()),
        )


@pytest.mark.skipif('numba' not in BACKENDS, reason='numba is not installed')
@pytest.mark.parametrize('channels', [1, 12, 45, 96])
def test_numba_equals_torch_in_float32(channels):
    features, weight, xyz, centers, idx, frames = inputs(torch.float32, channels)
    found = []
    for backend in ('torch', 'numba'):
        with ops.use_backend(backend):
            g, w = features.clone().requires_grad_(), weight.clone().requires_grad_()
            out = ops.aggregate_displaced(g, w, xyz, centers, idx, frames)
            out.square().sum().backward()
            found.append((out, g.grad, w.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('backend', BACKENDS)
def test_half_precision_features_are_summed_in_the_positions_type(backend):
    features, weight, xyz, centers, idx, frames = inputs(torch.float32)
    with ops.use_backend(backend):
        half = features.bfloat16().requires_grad_()
        out = ops.aggregate_displaced(half, weight, xyz, centers, idx, frames)
        out.sum().backward()
        full = ops.aggregate_displaced(half.detach().float(), weight, xyz, centers, idx, frames)
    assert out.dtype == torch.float32 and half.grad.dtype == torch.bfloat16
    torch.testing.assert_close(out, full)


def test_keeps_nothing_of_the_grouped_size_for_backward():
    features, weight, xyz, centers, idx, frames = inputs(channels=64)
    group = idx.numel() * 64
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        ops.aggregate_displaced(
            features.requires_grad_(), weight.requires_grad_(), xyz, centers, idx, frames
        )
    assert kept and all(tensor.numel() < group / 2 for tensor in kept)


def test_wrong_arguments_are_named():
    features, weight, xyz, centers, idx, frames = inputs()
    with pytest.raises(ValueError, match='aggregation: expected one of'):
        ops.aggregate_displaced(features, weight, xyz, centers, idx, frames, 'product')
    with pytest.raises(ValueError, match='pooling: expected one of'):
        ops.aggregate_displaced(features, weight, xyz, centers, idx, frames, pooling='mean')
    with pytest.raises(ValueError, match=r'expected idx \(A, S, M, K\)'):
        ops.aggregate_displaced(features, weight, xyz, centers, idx[0], frames)
    with pytest.raises(ValueError, match=r'expected features \(F, N, C\)'):
        ops.aggregate_displaced(features[:1], weight, xyz, centers, idx, frames)


@pytest.mark.parametrize('backend', BACKENDS)
def test_what_would_read_other_memory_is_an_error(backend):
    features, weight, xyz, centers, idx, frames = inputs()
    far, before = idx.clone(), idx.clone()
    far[1, 2, 3, 4], before[0, 0, 0, 0] = xyz.shape[1], -1
    with ops.use_backend(backend):
        for wrong in (far, before):
            with pytest.raises(ValueError, match=r'idx: expected indices in \[0, 11\)'):
                ops.aggregate_displaced(features, weight, xyz, centers, wrong, frames)
        with pytest.raises(ValueError, match=r'frames: expected indices in \[-1, 3\), got . to 3'):
            ops.aggregate_displaced(features, weight, xyz, centers, idx, frames.clamp(min=3))
        skipping = frames.clone()
        skipping[0, 0] = -1
        for given, how in ((features, 'addition'), (None, 'multiplication')):
            with pytest.raises(ValueError, match=r'frames: expected indices in \[0, 3\), got -1'):
                ops.aggregate_displaced(given, weight, xyz, centers, idx, skipping, how)
        for wrong in (weight[:4], weight[:, :2]):
            with pytest.raises(ValueError, match=r'displacement_weight: expected shape \(5, 3\)'):
                ops.aggregate_displaced(features, wrong, xyz, centers, idx, frames)
        with pytest.raises(ValueError, match=r'expected idx \(A, S, M, K\)'):
            ops.aggregate_displaced(features, weight, xyz, centers[:2], idx, frames)
        with pytest.raises(ValueError, match='at least one neighbour'):
            ops.aggregate_displaced(features, weight, xyz, centers, idx[..., :0], frames)
        with pytest.raises(TypeError, match='idx: expected int64'):
            ops.aggregate_displaced(features, weight, xyz, centers, idx.float(), frames)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('pooling', ['sum', 'max', 'avg'])
@pytest.mark.parametrize('aggregation', ['multiplication', 'addition'])
def test_autocast_changes_nothing(backend, aggregation, pooling):
    """Displacements and what our own functions give back stay in the positions' type.

    A sum of displacements is mapped by PyTorch's linear, whose weight gets a gradient as autocast
    would have it where ``backward`` is called inside.
    """
    plain_linear = aggregation == 'addition' and pooling != 'max'
    features, weight, *rest = inputs(torch.float32, channels=8)
    found = []
    for enabled in (False, True):
        g, w = features.clone().requires_grad_(), weight.clone().requires_grad_()
        with ops.use_backend(backend), torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            out = ops.aggregate_displaced(g, w, *rest, aggregation, pooling)
            out.square().sum().backward()
        found.append((out, g.grad, w.grad)[: 2 if plain_linear else 3])
    for plain, cast in zip(*found, strict=True):
        assert torch.equal(plain, cast)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('pooling', ['sum', 'max'])
def test_a_second_derivative_is_an_error(backend, pooling):
    """Not a number without the part that the operator would have to differentiate again."""
    features, weight, *rest = inputs()
    features.requires_grad_()
    with ops.use_backend(backend):
        out = ops.aggregate_displaced(features, weight, *rest, pooling=pooling)
        (grad,) = torch.autograd.grad(out.square().sum(), features, create_graph=True)
        with pytest.raises(RuntimeError, match='once_differentiable'):
            grad.square().sum().backward()
