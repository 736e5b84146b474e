"""P4DConv against the published layer (golden values) and its literal transcription."""

import copy

import pytest
import torch

from mmpointvideo.models.layers import P4DConv, PSTConv
from mmpointvideo.ops import available_backends, tube_rows, use_backend
from tests.reference.p4d_conv import literal_p4d_conv

BACKENDS = [name for name in available_backends() if name in ('torch', 'numba')]
#: dense: every neighbour counts once; distinct: copies are left out
LAYOUTS = {'distinct': 2.0, 'dense': 0.0}

GOLDEN = {
    'scene': dict(
        in_channels=3,
        mlp_channels=[8, 12, 16],
        radius=0.5,
        num_neighbors=16,
        temporal_kernel_size=3,
        spatial_stride=4,
        temporal_padding=(1, 1),
    ),
    'tube': dict(
        in_channels=0,
        mlp_channels=[24],
        radius=0.5,
        num_neighbors=16,
        temporal_kernel_size=3,
        spatial_stride=8,
        temporal_stride=2,
        temporal_padding=(1, 0),
        norm=False,
        activation=False,
        temporal_pooling='max',
    ),
}
NAMES = {
    'conv_d.0': 'displacement_proj', 'conv_d.1': 'displacement_norm', 'conv_f.0': 'feature_proj',
    'conv_f.1': 'feature_norm', 'mlp.0': 'mlp_projs.0', 'mlp.1': 'mlp_norms.0',
    'mlp.3': 'mlp_projs.1', 'mlp.4': 'mlp_norms.1',
}  # fmt: skip


@pytest.fixture(params=BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


@pytest.fixture(params=LAYOUTS)
def layout(request, monkeypatch):
    dense_from = LAYOUTS[request.param]

    def rows(*args):
        return tube_rows(*args, dense_from=dense_from)

    monkeypatch.setattr('mmpointvideo.models.layers.p4d_conv.tube_rows', rows)
    return request.param


@pytest.mark.parametrize('case', GOLDEN)
def test_published_layer(golden, backend, layout, case):
    values = {k: torch.from_numpy(v) for k, v in golden('p4d_conv', case).items()}
    conv = P4DConv(**GOLDEN[case]).eval()
    state = {}
    for key, value in values.items():
        if key.startswith('param/'):
            layer, _, leaf = key[6:].rpartition('.')
            state[f'{NAMES[layer]}.{leaf}'] = value.flatten(1) if value.dim() == 4 else value
    missing, unexpected = conv.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith('num_batches_tracked') for name in missing)
    xyz, features = conv(values['xyz'], values.get('features'))
    torch.testing.assert_close(xyz, values['out_xyz'], atol=0, rtol=0)
    torch.testing.assert_close(features, values['out_features'], atol=1e-4, rtol=1e-4)


CASES = {
    'scene': dict(in_channels=3),
    'dense_cloud': dict(in_channels=3, radius=5.0),
    'one_frame': dict(in_channels=3, temporal_kernel_size=1, temporal_padding=(0, 0)),
    'multiplication_zeros': dict(
        in_channels=3, aggregation='multiplication', padding_mode='zeros', temporal_stride=2,
        temporal_padding=(1, 0), temporal_pooling='max',
    ),
    'sum_avg': dict(in_channels=3, spatial_pooling='sum', temporal_pooling='avg'),
    'avg': dict(in_channels=3, spatial_pooling='avg'),
    'no_features': dict(in_channels=0),
    'no_norm': dict(in_channels=3, norm=False),
    'no_activation': dict(in_channels=3, activation=False),
    'one_layer': dict(in_channels=3, mlp_channels=[6]),
    'tube': dict(in_channels=0, mlp_channels=[6], norm=False, activation=False),
    'tube_sum': dict(
        in_channels=0, mlp_channels=[6], norm=False, activation=False, spatial_pooling='sum'
    ),
}  # fmt: skip


def _case(name):
    options = dict(
        mlp_channels=[6, 5, 7], radius=0.35, num_neighbors=8, temporal_kernel_size=3,
        spatial_stride=4, temporal_padding=(1, 1),
    )  # fmt: skip
    conv = P4DConv(**(options | CASES[name])).double()
    for module in conv.modules():
        if isinstance(module, torch.nn.BatchNorm1d):  # negative weights: a maximum is a minimum
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    xyz = torch.rand(2, 4, 48, 3, dtype=torch.float64) + 1
    features = torch.randn(2, 4, 3, 48, dtype=torch.float64) if conv.in_channels else None
    return conv, xyz, features


def _run(function, conv, xyz, features):
    if features is not None:
        features = features.clone().requires_grad_()
    out_xyz, out = function(conv, xyz, features)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
    grads = {name: p.grad for name, p in conv.named_parameters()}
    if features is not None:
        grads['features'] = features.grad
    return out_xyz, out, grads


@pytest.mark.parametrize('mode', ['train', 'eval'])
@pytest.mark.parametrize('case', CASES)
def test_literal_loop(backend, layout, case, mode):
    conv, xyz, features = _case(case)
    conv.train(mode == 'train')
    literal = copy.deepcopy(conv)
    for _ in range(2):  # twice: running averages of running averages
        expected = _run(literal_p4d_conv, literal, xyz, features)
        actual = _run(lambda conv, *clip: conv(*clip), conv, xyz, features)
        for name, buffer in literal.named_buffers():
            torch.testing.assert_close(dict(conv.named_buffers())[name], buffer, msg=name)
    torch.testing.assert_close(actual[0], expected[0])
    torch.testing.assert_close(actual[1], expected[1])
    for name, grad in expected[2].items():
        torch.testing.assert_close(actual[2][name], grad, msg=name)


def test_joint_statistics_are_those_of_all_pairs(backend, layout):
    conv, xyz, features = _case('scene')
    conv.bn_statistics = 'joint'
    conv(xyz, features)
    for norm in (conv.displacement_norm, conv.feature_norm, *conv.mlp_norms):
        assert int(norm.num_batches_tracked) == 1
        norm.momentum = 1.0
    first = conv(xyz, features)[1]  # momentum 1: the running averages are this batch's
    count = 2 * 4 * 3 * 12 * 8
    for norm in (conv.displacement_norm, conv.feature_norm, *conv.mlp_norms):
        norm.running_var *= (count - 1) / count
    torch.testing.assert_close(conv.eval()(xyz, features)[1], first)


def test_copies_take_no_memory():
    """What is kept for backward follows the number of distinct neighbours."""

    def kept(radius):
        conv = P4DConv(3, [16, 16, 32], radius, 32, 1, spatial_stride=4)
        sizes = []

        def pack(tensor):
            sizes.append(tensor.numel() * tensor.element_size())
            return tensor

        torch.manual_seed(0)
        xyz, features = torch.rand(1, 1, 512, 3), torch.rand(1, 1, 3, 512)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            conv(xyz, features)
        return sum(sizes)

    assert kept(0.06) < kept(3.0) / 4


def test_anchor_without_neighbors_and_few_points():
    conv = P4DConv(0, [4, 4], 1e-6, 8, 3, temporal_padding=(1, 1))
    xyz = torch.rand(1, 2, 5, 3) + torch.tensor([0.0, 100.0]).view(1, 2, 1, 1)
    literal = copy.deepcopy(conv)
    torch.testing.assert_close(
        conv(xyz)[1], literal_p4d_conv(literal, xyz)[1], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    'options, match',
    [
        (dict(aggregation='sum'), 'aggregation'),
        (dict(spatial_pooling='median'), 'spatial_pooling'),
        (dict(temporal_kernel_size=2), 'odd'),
        (dict(temporal_padding=(-1, 0)), 'negative'),
        (dict(mlp_channels=[]), 'mlp_channels'),
        (dict(radius=0), 'radius'),
        (dict(bn_statistics='batch'), 'bn_statistics'),
        (dict(padding_mode='reflect'), 'padding_mode'),
    ],
)
def test_bad_options(options, match):
    base = dict(
        in_channels=3, mlp_channels=[4], radius=0.5, num_neighbors=4, temporal_kernel_size=3
    )
    with pytest.raises(ValueError, match=match):
        P4DConv(**(base | options))


def test_bad_inputs():
    conv = P4DConv(3, [4], 0.5, 4, 3, temporal_stride=2)
    xyz = torch.rand(1, 4, 8, 3)
    with pytest.raises(ValueError, match='divisible'):
        conv(xyz, torch.rand(1, 4, 3, 8))
    with pytest.raises(ValueError, match='3 channels, got None'):
        conv(xyz)
    with pytest.raises(ValueError, match='features: expected shape'):
        conv(xyz, torch.rand(1, 4, 4, 8))
    with pytest.raises(ValueError, match='one'):
        P4DConv(0, [4], 0.5, 1, 1)(xyz[:, :1, :1])


@pytest.mark.parametrize('layer', ['PSTConv', 'P4DConv'])
@pytest.mark.parametrize('training', [True, False])
def test_nan_shows_wherever_pytorch_would_show_it(layer, training):
    pytest.importorskip('numba')
    torch.manual_seed(0)
    if layer == 'PSTConv':
        conv = PSTConv(4, 8, 8, 0.5, 4, 3, 2, 1, (1, 1))
    else:
        conv = P4DConv(4, [8, 8], 0.5, 8, 3, 2, 1, (1, 1))
    xyz, features = torch.rand(2, 4, 64, 3), torch.randn(2, 4, 4, 64)
    features[0, 1, 0, 5] = torch.nan
    seen = []
    for backend in ('torch', 'numba'):
        with use_backend(backend):
            seen.append(conv.train(training)(xyz, features)[1].isnan())
    assert seen[0].any() and torch.equal(*seen)


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('spread', [0, 32])
def test_statistics_are_taken_in_float32(autocast, spread):
    """Frames whose means lie many deviations apart, against float64.

    The features are integers below 256, which bfloat16 holds exactly: what autocast may round is
    left out, and statistics are to be as exact with it as without.
    """
    torch.manual_seed(0)
    conv = P4DConv(3, [3], 0.5, 8, 3, spatial_stride=2, temporal_padding=(1, 1))
    with torch.no_grad():
        conv.feature_proj.weight.copy_(torch.eye(3))
    exact = copy.deepcopy(conv).double()
    xyz = torch.rand(2, 4, 32, 3)
    features = torch.randint(0, 4, (2, 4, 3, 32)) + spread * torch.arange(4)[:, None, None]
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        _, out = conv(xyz, features.float())
    _, expected = exact(xyz.double(), features.double())
    torch.testing.assert_close(out, expected.float(), rtol=1e-4, atol=1e-4)
    for name, buffer in conv.named_buffers():
        wanted = exact.get_buffer(name).to(buffer.dtype)
        torch.testing.assert_close(buffer, wanted, rtol=1e-5, atol=1e-6, msg=name)
