"""The two routes of a matrix product."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmpointvideo.models.layers import linear as module
from mmpointvideo.models.layers import pointwise_linear, set_linear_route, use_linear_route


@pytest.mark.parametrize('route', ['auto', 'native', 'onednn'])
@pytest.mark.parametrize('shape', [(2, 3, 40, 16), (1, 7, 16), (5, 16)])
def test_routes_agree(route, shape):
    x = torch.randn(shape).transpose(0, -2).contiguous().transpose(0, -2).requires_grad_()
    weight = torch.randn(8, 16, requires_grad=True)
    with use_linear_route(route):
        out = pointwise_linear(x, weight)
        grads = torch.autograd.grad(out.square().sum(), (x, weight))
    expected = F.linear(x, weight)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(
        grads, torch.autograd.grad(expected.square().sum(), (x, weight)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('threads', 'rows', 'images'), [(1, 48, 16), (1, 40, None), (2, 40, 1)])
def test_auto_takes_onednn_where_pytorch_lets_it(monkeypatch, threads, rows, images):
    seen = []
    convolve = F.conv2d
    monkeypatch.setattr(F, 'conv2d', lambda x, w: seen.append(len(x)) or convolve(x, w))
    monkeypatch.setattr(module, '_ONEDNN_FROM', 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, weight = torch.randn(2, rows // 2, 12), torch.randn(5, 12)
        out = pointwise_linear(x, weight)
    finally:
        torch.set_num_threads(before)
    assert seen == ([] if images is None else [images])
    assert out.is_contiguous()
    torch.testing.assert_close(out, F.linear(x, weight), rtol=1e-5, atol=1e-5)


def test_the_setting_is_undone_and_checked():
    with use_linear_route('native'):
        assert module._route == 'native'
    assert module._route == 'auto'
    with pytest.raises(ValueError, match='expected a route'):
        set_linear_route('mkl')
