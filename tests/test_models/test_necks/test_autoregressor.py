"""CausalAutoregressor: what a token may see."""

import torch

from mmpointvideo.models.necks import CausalAutoregressor, ClipPooling, MLPProjector


def _net():
    return CausalAutoregressor(16, depth=2, num_heads=2, head_channels=8, mlp_channels=32).eval()


def test_a_token_sees_its_own_and_earlier_segments_only():
    net = _net()
    tokens, xyz = torch.randn(2, 4, 2, 3, 16), torch.randn(2, 4, 2, 3, 3)
    out = net(tokens, xyz)
    assert out.shape == tokens.shape
    for changed in range(4):
        other = tokens.clone()
        other[:, changed] += torch.randn(16)
        moved = (net(other, xyz) - out).abs().amax(dim=(0, 2, 3, 4)) > 1e-6
        assert moved.tolist() == [segment >= changed for segment in range(4)]


def test_position_and_time_matter():
    net = _net()
    tokens, xyz = torch.zeros(1, 3, 2, 4, 16), torch.zeros(1, 3, 2, 4, 3)
    out = net(tokens, xyz)
    assert not torch.allclose(out[0, 0, 0], out[0, 0, 1])
    assert not torch.allclose(net(tokens, xyz + 1), out)


def test_order_of_points_does_not_matter():
    net = _net()
    tokens, xyz = torch.randn(1, 3, 2, 4, 16), torch.randn(1, 3, 2, 4, 3)
    order = torch.randperm(4)
    shuffled = net(tokens[..., order, :], xyz[..., order, :])
    torch.testing.assert_close(shuffled, net(tokens, xyz)[..., order, :])


def test_projector_normalises_over_all_tokens():
    net = MLPProjector(6, 8, 5)
    out = net(torch.randn(2, 3, 4, 7, 6))
    assert out.shape == (2, 3, 4, 7, 5)
    assert int(net.norm.num_batches_tracked) == 1


def test_pooling_means_points_and_takes_the_largest_frame():
    features = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(ClipPooling()(features), features.mean(3).amax(1))
    pooled = ClipPooling('max', 'mean')(features)
    torch.testing.assert_close(pooled, features.amax(3).mean(1))
