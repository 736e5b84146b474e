"""P4DTransConv and PSTConvTranspose against their literal transcriptions."""

import copy

import pytest
import torch

from mmpointvideo.models.layers import P4DTransConv, PSTConv, PSTConvTranspose
from tests.reference.p4d_conv import literal_p4d_trans_conv, literal_pst_conv_transpose


def _run(function, conv, xyz, target, features, skip):
    features = features.clone().requires_grad_()
    skip = None if skip is None else skip.clone().requires_grad_()
    out = function(conv, xyz, target, features, skip)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
    grads = {name: p.grad for name, p in conv.named_parameters()} | {'features': features.grad}
    return out, grads if skip is None else grads | {'skip': skip.grad}


def _compare(literal, conv, frames, skip_channels):
    conv = conv.double()
    for module in conv.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    reference = copy.deepcopy(conv)
    xyz = torch.rand(2, frames[0], 7, 3, dtype=torch.float64)
    target = torch.rand(2, frames[1], 20, 3, dtype=torch.float64)
    target[:, 0, :3] = xyz[:, 0, :3]  # a distance of zero
    features = torch.randn(2, frames[0], 5, 7, dtype=torch.float64)
    skip = torch.randn(2, frames[1], skip_channels, 20, dtype=torch.float64)
    skip = skip if skip_channels else None
    for mode in (True, False):
        conv.train(mode), reference.train(mode)
        expected, expected_grads = _run(literal, reference, xyz, target, features, skip)
        out, grads = _run(lambda conv, *inputs: conv(*inputs), conv, xyz, target, features, skip)
        torch.testing.assert_close(out, expected)
        for name, grad in expected_grads.items():
            torch.testing.assert_close(grads[name], grad, msg=name)
        for name, buffer in reference.named_buffers():
            torch.testing.assert_close(dict(conv.named_buffers())[name], buffer, msg=name)


@pytest.mark.parametrize('skip', [0, 3])
@pytest.mark.parametrize('channels', [[6], [6, 4]])
def test_p4d_trans_conv(skip, channels):
    _compare(literal_p4d_trans_conv, P4DTransConv(5, channels, skip), (3, 3), skip)


@pytest.mark.parametrize(
    'frames, kernel, stride, padding, skip',
    [
        ((3, 3), 1, 1, (0, 0), 3),
        ((3, 5), 3, 1, (0, 0), 0),
        ((3, 6), 3, 2, (-1, 0), 3),
        ((3, 3), 3, 1, (-1, -1), 3),
        ((2, 6), 3, 3, (0, 0), 3),
        ((1, 3), 3, 1, (0, 0), 0),
    ],
)
def test_pst_conv_transpose(frames, kernel, stride, padding, skip):
    conv = PSTConvTranspose(5, 6, 4, kernel, stride, padding, skip)
    _compare(literal_pst_conv_transpose, conv, frames, skip)


@pytest.mark.parametrize(
    'frames, stride, padding', [(4, 2, (1, 0)), (5, 1, (1, 1)), (7, 2, (0, 0))]
)
def test_the_transposed_layer_undoes_the_layer(frames, stride, padding):
    """Same arguments, the frames come back; with positive padding no tap is lost."""
    xyz, features = torch.rand(2, frames, 16, 3), torch.rand(2, frames, 3, 16)
    down = PSTConv(3, 4, 8, 0.5, 4, 3, 2, stride, padding)
    up = PSTConvTranspose(8, 4, 6, 3, stride, padding, skip_channels=3)
    coarse_xyz, coarse = down(xyz, features)
    out = up(coarse_xyz, xyz, coarse, features)
    assert out.shape == (2, frames, 6, 16)
    out.square().sum().backward()
    assert (up.temporal_proj.weight.grad.abs().sum(1) > 0).all()


def test_errors():
    xyz, target = torch.rand(1, 2, 4, 3), torch.rand(1, 3, 8, 3)
    with pytest.raises(ValueError, match='agree'):
        P4DTransConv(5, [4])(xyz, target, torch.rand(1, 2, 5, 4))
    with pytest.raises(ValueError, match='features: expected shape'):
        P4DTransConv(5, [4])(xyz, xyz, torch.rand(1, 2, 6, 4))
    with pytest.raises(ValueError, match='expected None'):
        P4DTransConv(5, [4])(xyz, xyz, torch.rand(1, 2, 5, 4), torch.rand(1, 2, 1, 4))
    with pytest.raises(ValueError, match='expected 4 target frames'):
        PSTConvTranspose(5, 4, 4, 3, 2, (1, 0))(xyz, target, torch.rand(1, 2, 5, 4))
    with pytest.raises(ValueError, match='left out'):
        PSTConvTranspose(5, 4, 4, 3, 4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_at_distance_zero(dtype):
    """Targets that are sources, as in a decoder: their features, not NaN."""
    xyz = torch.rand(1, 2, 6, 3)
    target = torch.cat([xyz, torch.rand(1, 2, 4, 3)], dim=2)
    features = torch.randn(1, 2, 5, 6)
    for conv in (P4DTransConv(5, [4], 0), PSTConvTranspose(5, 4, 4, 1)):
        conv.eval()
        wanted = conv(xyz.to(dtype).float(), target.to(dtype).float(), features)
        got = conv.to(dtype)(xyz.to(dtype), target.to(dtype), features.to(dtype))
        torch.testing.assert_close(got.float(), wanted, rtol=0.05, atol=0.05)
