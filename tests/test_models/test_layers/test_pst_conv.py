"""PSTConv against golden values of the published layer and a literal loop over frames."""

from __future__ import annotations

import copy

import pytest
import torch

from mmpointvideo import ops
from mmpointvideo.models.layers import PSTConv
from mmpointvideo.registry import MODELS
from tests.reference.pst_conv import literal_pst_conv

BACKENDS = [name for name in ops.available_backends() if name in ('torch', 'numba')]
GOLDEN = {
    'first_layer': dict(
        in_channels=0,
        mid_channels=12,
        out_channels=16,
        radius=0.5,
        num_neighbors=9,
        temporal_kernel_size=1,
        spatial_stride=2,
    ),
    'multiplication_sum_zeros': dict(
        in_channels=16,
        mid_channels=24,
        out_channels=32,
        radius=0.4,
        num_neighbors=9,
        temporal_kernel_size=3,
        spatial_stride=2,
        temporal_stride=2,
        temporal_padding=(1, 0),
    ),
    'addition_max_replicate': dict(
        in_channels=8,
        mid_channels=12,
        out_channels=20,
        radius=0.3,
        num_neighbors=5,
        temporal_kernel_size=3,
        spatial_stride=2,
        temporal_padding=(1, 1),
        padding_mode='replicate',
        aggregation='addition',
        pooling='max',
    ),
}
# aggregation, pooling, padding mode, input channels, temporal stride, padding, spatial stride, K
OPTIONS = [
    ('multiplication', 'sum', 'zeros', 6, 2, (1, 0), 2, 5),
    ('multiplication', 'sum', 'replicate', 6, 1, (2, 2), 1, 40),
    ('multiplication', 'max', 'zeros', 6, 1, (1, 1), 2, 5),
    ('multiplication', 'avg', 'replicate', 6, 2, (1, 0), 2, 5),
    ('addition', 'sum', 'zeros', 6, 2, (2, 1), 2, 40),
    ('addition', 'max', 'zeros', 6, 1, (0, 0), 2, 5),
    ('addition', 'avg', 'zeros', 6, 1, (1, 1), 1, 5),
    ('multiplication', 'sum', 'zeros', 0, 2, (1, 0), 2, 5),
    ('addition', 'max', 'zeros', 0, 1, (1, 1), 2, 40),
    ('multiplication', 'avg', 'replicate', 0, 1, (0, 1), 1, 5),
]


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('case', GOLDEN)
def test_golden_values(backend, case, golden):
    data = {name: torch.from_numpy(value) for name, value in golden('pst_conv', case).items()}
    conv = PSTConv(**GOLDEN[case]).eval()
    state = {
        'displacement_proj.weight': data['w_displacement'],
        'temporal_proj.weight': data['w_temporal'],
        'norm.weight': data['bn_weight'],
        'norm.bias': data['bn_bias'],
        'norm.running_mean': data['bn_mean'],
        'norm.running_var': data['bn_var'],
        'norm.num_batches_tracked': torch.tensor(0),
    }
    features = None
    if 'features' in data:
        state['feature_proj.weight'] = data['w_feature']
        features = data['features'].requires_grad_()
    conv.load_state_dict(state)  # strict: the names are public
    with ops.use_backend(backend):
        xyz, out = conv(data['xyz'], features)
        torch.testing.assert_close(xyz, data['out_xyz'], rtol=0, atol=0)
        torch.testing.assert_close(out, data['out_features'], rtol=1e-4, atol=1e-5)
        if features is not None:
            out.square().sum().backward()
            torch.testing.assert_close(
                features.grad, data['grad_features_of_sum_of_squares'], rtol=1e-4, atol=1e-4
            )


def run(call, conv, xyz, features):
    """Outputs, all gradients and running averages after a forward and backward pass."""
    features = None if features is None else features.clone().requires_grad_()
    out_xyz, out = call(conv, xyz, features)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    (out * weights).sum().backward()
    found = {'xyz': out_xyz, 'out': out.detach()}
    found |= {f'grad {name}': p.grad for name, p in conv.named_parameters()}
    found |= dict(conv.named_buffers())
    if features is not None:
        found['grad features'] = features.grad
    return found


@pytest.mark.parametrize('option', OPTIONS)
def test_training_equals_the_loop_over_frames(option):
    aggregation, pooling, mode, channels, stride, padding, spatial, neighbors = option
    conv = PSTConv(
        channels, 7, 6, 0.5, neighbors, 3, spatial, stride, padding, mode, aggregation, pooling
    )
    torch.nn.init.uniform_(conv.norm.weight, 0.5, 1.5)
    torch.nn.init.uniform_(conv.norm.bias, -0.5, 0.5)
    frames = next(t for t in (6, 7) if (t + sum(padding) - 3) % stride == 0)
    xyz = torch.rand(2, frames, 24, 3)
    features = torch.randn(2, frames, channels, 24) if channels else None
    for backend in BACKENDS:
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-4)):
            first, second = (copy.deepcopy(conv).to(dtype) for _ in range(2))
            given = None if features is None else features.to(dtype)
            with ops.use_backend(backend):
                ours = run(lambda c, x, f: c(x, f), first, xyz.to(dtype), given)
                theirs = run(literal_pst_conv, second, xyz.to(dtype), given)
            assert ours.keys() == theirs.keys()
            for name, value in ours.items():
                scale = float(theirs[name].abs().max().clamp(min=1))
                torch.testing.assert_close(
                    value,
                    theirs[name],
                    rtol=0,
                    atol=tolerance * scale,
                    msg=f'{backend} {dtype} {name} differs',
                )


def test_gradcheck():
    conv = PSTConv(2, 3, 2, 0.6, 4, 3, 2, 1, (1, 1)).double()
    xyz = torch.rand(2, 3, 8, 3, dtype=torch.float64)
    features = torch.randn(2, 3, 2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: conv(xyz, f)[1], features)


def test_joint_statistics_are_those_of_all_frames():
    conv = PSTConv(3, 4, 5, 0.5, 4, 1, bn_statistics='joint').double()
    loop = copy.deepcopy(conv)
    xyz = torch.rand(2, 3, 16, 3, dtype=torch.float64)
    features = torch.randn(2, 3, 3, 16, dtype=torch.float64)
    conv(xyz, features)
    pooled = []
    loop.norm.register_forward_pre_hook(lambda _, args: pooled.append(args[0]))
    literal_pst_conv(loop, xyz, features)
    together = torch.cat(pooled, 2)  # (B, C, frames * points)
    expected = torch.nn.BatchNorm1d(4).double()
    expected(together)
    torch.testing.assert_close(conv.norm.running_mean, expected.running_mean)
    torch.testing.assert_close(conv.norm.running_var, expected.running_var)
    assert int(conv.norm.num_batches_tracked) == 1


def test_prefix_sampling_keeps_the_order_of_sampled_points():
    cloud = torch.rand(2, 3, 64, 3) + 0.1
    idx = ops.furthest_point_sample(cloud.flatten(0, 1), 32)
    sampled = cloud.flatten(0, 1).gather(1, idx[..., None].expand(-1, -1, 3)).view(2, 3, 32, 3)
    conv = PSTConv(0, 4, 4, 0.5, 4, 1, spatial_stride=2).eval()
    prefix = copy.deepcopy(conv)
    prefix.prefix_sampling = True
    for ours, theirs in zip(prefix(sampled), conv(sampled), strict=True):
        assert torch.equal(ours, theirs)


def test_initialisation_as_published():
    conv = PSTConv(61, 400, 300, 0.5, 4, 3)
    for weight, fan_in in (
        (conv.displacement_proj.weight, 64),
        (conv.feature_proj.weight, 64),
        (conv.temporal_proj.weight, 1200),
    ):
        bound = fan_in**-0.5  # sqrt(3) * sqrt(2 / 6) / sqrt(fan_in)
        assert 0.99 * bound < float(weight.detach().abs().max()) <= bound


def test_bfloat16_autocast_keeps_sums_and_statistics_in_float32():
    conv = PSTConv(4, 8, 8, 0.5, 4, 3, temporal_padding=(1, 1))
    xyz, features = torch.rand(2, 3, 16, 3), torch.randn(2, 3, 4, 16)
    expected = conv.eval()(xyz, features)[1]
    with torch.autocast('cpu', torch.bfloat16):
        out = conv(xyz, features)[1]
    assert conv.norm.running_mean.dtype == torch.float32
    torch.testing.assert_close(out.float(), expected, rtol=0.1, atol=0.05)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(padding_mode='reflect'), 'padding_mode: expected one of'),
        (dict(aggregation='product'), 'aggregation: expected one of'),
        (dict(pooling='min'), 'pooling: expected one of'),
        (dict(bn_statistics='clip'), 'bn_statistics: expected one of'),
        (dict(temporal_kernel_size=2), 'odd number, got 2'),
        (dict(temporal_padding=(1,)), 'temporal_padding'),
        (dict(radius=0.0), 'radius: expected a positive number'),
        (dict(spatial_stride=0), 'strides of at least 1'),
        (dict(mid_channels=0), 'mid_channels'),
    ],
)
def test_wrong_options_are_named(change, message):
    options = dict(
        in_channels=0,
        mid_channels=4,
        out_channels=4,
        radius=0.5,
        num_neighbors=4,
        temporal_kernel_size=3,
    )
    with pytest.raises(ValueError, match=message):
        PSTConv(**(options | change))


def test_wrong_inputs_are_named():
    conv = PSTConv(4, 4, 4, 0.5, 4, 3, 2, 2)
    xyz = torch.rand(2, 5, 8, 3)
    with pytest.raises(ValueError, match=r'4 \+ 0 - 3 = 1'):
        conv(xyz[:, :4], torch.rand(2, 4, 4, 8))
    with pytest.raises(ValueError, match='expected 4 channels, got None'):
        conv(xyz, None)
    with pytest.raises(ValueError, match=r'expected shape \(2, 5, 4, 8\)'):
        conv(xyz, torch.rand(2, 5, 8, 4))
    with pytest.raises(ValueError, match=r'shape \(B, T, N, 3\)'):
        conv(xyz[0], None)
    with pytest.raises(ValueError, match='at least spatial_stride=2 points'):
        conv(xyz[:, :, :1], torch.rand(2, 5, 4, 1))
    with pytest.raises(ValueError, match='NaN or infinite'):
        conv(xyz * float('nan'), torch.rand(2, 5, 4, 8))
    with pytest.raises(ValueError, match='expected None for in_channels=0'):
        PSTConv(0, 4, 4, 0.5, 4, 1)(xyz, torch.rand(2, 5, 4, 8))


def test_builds_from_a_config():
    options = dict(type='PSTConv', in_channels=0, mid_channels=4, out_channels=4, radius=0.5)
    conv = MODELS.build(dict(options, num_neighbors=4, temporal_kernel_size=1))
    assert isinstance(conv, PSTConv)
