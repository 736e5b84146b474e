"""The PSTNet encoder: shapes, sizes in time, equality with the loop, feature scale."""

from __future__ import annotations

import copy

import pytest
import torch

from mmpointvideo import ops
from mmpointvideo.models.encoders import PSTNetEncoder
from mmpointvideo.registry import MODELS
from tests.reference.memory import kept_for_backward
from tests.reference.pst_conv import literal_pstnet

NARROW = 1 / 16


def test_layer_table_as_published():
    encoder = PSTNetEncoder(radius=0.5)
    rows = [
        (
            c.in_channels,
            c.mid_channels,
            c.out_channels,
            c.radius,
            c.temporal_kernel_size,
            c.spatial_stride,
            c.temporal_stride,
            c.temporal_padding,
        )
        for c in encoder.convs
    ]
    assert rows == [
        (0, 45, 64, 0.5, 1, 2, 1, (0, 0)),
        (64, 96, 128, 1.0, 3, 2, 2, (1, 0)),
        (128, 192, 256, 1.0, 3, 1, 1, (1, 1)),
        (256, 384, 512, 2.0, 3, 2, 2, (1, 0)),
        (512, 768, 1024, 2.0, 3, 1, 1, (1, 1)),
        (1024, 1536, 2048, 2.0, 1, 2, 1, (0, 0)),
    ]  # fmt: skip
    assert encoder.out_channels == 2048
    assert {(c.aggregation, c.pooling, c.num_neighbors) for c in encoder.convs} == {
        ('multiplication', 'sum', 9)
    }
    ntu = PSTNetEncoder(variant='ntu', width=NARROW)
    assert {(c.aggregation, c.pooling, c.temporal_padding) for c in ntu.convs} == {
        ('addition', 'max', (0, 0))
    }


@pytest.mark.parametrize('padding_mode', ['zeros', 'replicate'])
@pytest.mark.parametrize(('frames', 'left'), [(4, 1), (8, 2), (12, 3), (16, 4), (24, 6)])
def test_clip_lengths_of_the_msr_layers(padding_mode, frames, left):
    encoder = PSTNetEncoder(width=NARROW, padding_mode=padding_mode).eval()
    xyz, features = encoder(torch.rand(1, frames, 64, 3))
    assert xyz.shape == (1, left, 4, 3)
    assert features.shape == (1, left, encoder.out_channels, 4)
    assert encoder.frames_after(frames) == left


def test_allowed_lengths_are_named():
    encoder = PSTNetEncoder(width=NARROW)
    with pytest.raises(ValueError, match='got 6; these layers take 4, 8, 12, 16, 20, 24'):
        encoder(torch.rand(1, 6, 64, 3))
    with pytest.raises(ValueError, match='got 24; these layers take 19, 23, 27'):
        PSTNetEncoder(width=NARROW, variant='ntu')(torch.rand(1, 24, 64, 3))
    with pytest.raises(
        ValueError, match='at least 16 points a frame for spatial strides of 2 x 2 x 1 x 2 x 1 x 2'
    ):
        encoder.eval()(torch.rand(1, 4, 15, 3))


@pytest.mark.parametrize('variant', ['msr', 'ntu'])
def test_training_equals_the_literal_network(variant):
    encoder = PSTNetEncoder(
        in_channels=2, width=NARROW, variant=variant, radius=0.3, padding_mode='zeros'
    ).double()
    frames = 4 if variant == 'msr' else 19
    loop = copy.deepcopy(encoder)
    xyz = torch.rand(2, frames, 48, 3, dtype=torch.float64)
    features = torch.randn(2, frames, 2, 48, dtype=torch.float64)
    out_xyz, out = encoder(xyz, features)
    expected_xyz, expected = literal_pstnet(loop, xyz, features)
    assert torch.equal(out_xyz, expected_xyz)
    torch.testing.assert_close(out, expected, rtol=1e-8, atol=1e-10)
    out.square().sum().backward()
    expected.square().sum().backward()
    for (name, ours), (_, theirs) in zip(
        encoder.named_parameters(), loop.named_parameters(), strict=True
    ):
        scale = float(theirs.grad.abs().max())
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-7 * scale, msg=name)
    for (name, ours), (_, theirs) in zip(
        encoder.named_buffers(), loop.named_buffers(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, msg=name)


def test_replicate_padding_keeps_the_feature_scale_on_longer_clips():
    """Trained statistics of 4-frame segments must carry over to 24 frames."""

    def scales(padding_mode):
        torch.manual_seed(0)
        encoder = PSTNetEncoder(width=NARROW, padding_mode=padding_mode)
        with torch.no_grad():
            for _ in range(60):  # running averages of segments
                encoder(torch.rand(4, 4, 64, 3) * 2)
            encoder.eval()
            clip = torch.rand(2, 24, 64, 3) * 2
            return encoder(clip[:, :4])[1].abs().mean(), encoder(clip)[1].abs().mean()

    short, long = scales('replicate')
    assert 1 / 3 < float(long / short) < 3
    short, long = scales('zeros')
    assert float(long / short) > 4  # why replication is what pre-training uses


def test_overrides_and_prefix_sampling():
    encoder = PSTNetEncoder(
        width=NARROW, prefix_sampling=True, layers=dict(conv3a=dict(mid_channels=20))
    )
    assert encoder.conv3a.mid_channels == 20
    assert [conv.prefix_sampling for conv in encoder.convs] == [False] + [True] * 5
    assert torch.isfinite(encoder(torch.rand(2, 4, 64, 3))[1]).all()
    with pytest.raises(ValueError, match="expected names out of .*got \\['conv5'\\]"):
        PSTNetEncoder(layers=dict(conv5=dict()))
    with pytest.raises(ValueError, match='variant'):
        PSTNetEncoder(variant='kitti')
    with pytest.raises(ValueError, match='width'):
        PSTNetEncoder(width=0)


@pytest.mark.parametrize(
    'backend', [n for n in ops.available_backends() if n in ('torch', 'numba')]
)
@pytest.mark.parametrize(
    ('padding_mode', 'shape', 'share', 'with_recomputation'),
    [('zeros', (2, 8, 128, 3), 1 / 6, 1 / 9), ('replicate', (4, 4, 128, 3), 1 / 7, 1 / 10)],
    ids=['clips', 'segments'],
)
def test_kept_bytes_are_a_small_share_of_the_literal_loop(
    backend, padding_mode, shape, share, with_recomputation
):
    xyz = torch.rand(shape)
    with ops.use_backend(backend):
        for recompute, most in ((False, share), (True, with_recomputation)):
            encoder = PSTNetEncoder(width=0.125, padding_mode=padding_mode, recompute=recompute)
            weights = list(encoder.parameters())
            ours = kept_for_backward(lambda e=encoder: e(xyz), weights)[1]
            theirs = kept_for_backward(lambda e=encoder: literal_pstnet(e, xyz), weights)[1]
            assert ours < most * theirs


def test_builds_from_a_config():
    encoder = MODELS.build(dict(type='PSTNetEncoder', width=NARROW, padding_mode='replicate'))
    assert isinstance(encoder, PSTNetEncoder)
    assert list(encoder.state_dict())[:2] == [
        'conv1.displacement_proj.weight',
        'conv1.norm.weight',
    ]


def test_taps_that_padding_repeats_are_aggregated_once(monkeypatch):
    """On one frame all three taps of a window are that frame."""
    from mmpointvideo.models.layers import pst_conv

    rows = []
    aggregate = pst_conv.aggregate_displaced
    monkeypatch.setattr(
        pst_conv,
        'aggregate_displaced',
        lambda *args: rows.append(tuple(args[4].shape[:2])) or aggregate(*args),
    )
    encoder = PSTNetEncoder(width=NARROW, padding_mode='replicate').double()
    loop = copy.deepcopy(encoder)
    xyz = torch.rand(2, 4, 64, 3, dtype=torch.float64)
    out = encoder(xyz)[1]
    # windows of 4 frames: 0 | 1 | 2 | 3; 001, 123; 001, 011; 001; 000; 0
    assert [a * s for a, s in rows] == [2 * pairs for pairs in (4, 5, 4, 2, 1, 1)]
    expected = literal_pstnet(loop, xyz)[1]
    torch.testing.assert_close(out, expected, rtol=1e-8, atol=1e-10)
    out.square().sum().backward()
    expected.square().sum().backward()
    for ours, theirs in zip(encoder.parameters(), loop.parameters(), strict=True):
        scale = float(theirs.grad.abs().max())
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-7 * scale)
    for ours, theirs in zip(encoder.buffers(), loop.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    'backend', [n for n in ops.available_backends() if n in ('torch', 'numba')]
)
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('skip', [True, False])
def test_recomputation_changes_memory_and_nothing_else(backend, training, skip):
    options = dict(width=0.125, padding_mode='replicate', skip_unread=skip)
    encoder = PSTNetEncoder(**options).train(training)
    again = PSTNetEncoder(**options, recompute=True).train(training)
    again.load_state_dict(encoder.state_dict())
    xyz = torch.rand(2, 8, 128, 3)
    kept = {}
    with ops.use_backend(backend):
        for name, model in (('kept', encoder), ('again', again)):
            out, kept[name] = kept_for_backward(
                lambda model=model: model(xyz)[1], model.parameters()
            )
            out.square().sum().backward()
    assert kept['again'] < (0.8 if skip else 0.75) * kept['kept']
    for (name, ours), (_, theirs) in zip(
        again.named_parameters(), encoder.named_parameters(), strict=True
    ):
        assert torch.equal(ours.grad, theirs.grad), name
    for (name, ours), (_, theirs) in zip(
        again.named_buffers(), encoder.named_buffers(), strict=True
    ):
        assert torch.equal(ours, theirs), name


def test_sampling_may_take_the_published_order_among_ties():
    xyz = (torch.rand(1, 4, 64, 3) * 6).round() / 4 + 0.25
    found = []
    for order in ('any', 'published'):
        torch.manual_seed(0)
        encoder = PSTNetEncoder(width=NARROW, tie_order=order)
        found.append(encoder.conv1(xyz)[0])
    cloud = xyz.flatten(0, 1)
    idx = ops.furthest_point_sample(cloud, 32, tie_order='published')
    expected = cloud.gather(1, idx[..., None].expand(-1, -1, 3))
    assert torch.equal(found[1][0], expected)
    assert not torch.equal(found[0], found[1])
    with pytest.raises(ValueError, match='tie_order: expected one of'):
        PSTNetEncoder(width=NARROW, tie_order='first')


@pytest.mark.parametrize(
    'backend', [n for n in ops.available_backends() if n in ('torch', 'numba')]
)
@pytest.mark.parametrize('mode', ['train', 'eval', 'frozen statistics', 'one frozen layer'])
@pytest.mark.parametrize(
    'options',
    [
        dict(padding_mode='zeros'),
        dict(padding_mode='replicate', in_channels=3),
        dict(padding_mode='zeros', aggregation='addition', in_channels=3),
        dict(padding_mode='zeros', pooling='max'),
        dict(padding_mode='replicate', bn_statistics='joint', recompute=True),
        dict(variant='ntu', in_channels=3),
    ],
    ids=lambda options: ' '.join(map(str, options.values())),
)
def test_skipping_unread_features_changes_nothing(backend, mode, options):
    torch.manual_seed(0)
    skipping = PSTNetEncoder(width=NARROW, radius=0.4, num_neighbors=4, **options).double()
    for norm in (conv.norm for conv in skipping.convs):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 2)
    whole = copy.deepcopy(skipping)
    whole.skip_unread = False
    frames = 19 if options.get('variant') == 'ntu' else 8
    xyz = torch.rand(2, frames, 64, 3, dtype=torch.float64)
    found = []
    for encoder in (skipping, whole):
        encoder.train(mode != 'eval')
        for index, conv in enumerate(encoder.convs):
            if mode == 'frozen statistics' or (mode == 'one frozen layer' and index == 3):
                conv.norm.eval()
        features = None
        if encoder.in_channels:
            generator = torch.Generator().manual_seed(1)
            features = torch.randn(
                2, frames, 3, 64, dtype=torch.float64, generator=generator
            ).requires_grad_()
        with ops.use_backend(backend):
            points, out = encoder(xyz, features)
            out.backward(torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape))
        values = {'points': points, 'out': out.detach()} | dict(encoder.named_buffers())
        values |= {f'grad {name}': p.grad for name, p in encoder.named_parameters()}
        if features is not None:
            values['grad features'] = features.grad
        found.append(values)
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize('training', [True, False])
def test_only_features_that_are_read_are_computed(monkeypatch, training):
    """Where one ball holds everything, all anchors read the first K points of a frame."""
    from mmpointvideo.models.layers import frame_batch_norm, pst_conv

    products, sums = [], []
    for module in (frame_batch_norm, pst_conv):
        linear = module.pointwise_linear
        monkeypatch.setattr(
            module,
            'pointwise_linear',
            lambda x, w, f=linear: products.append(x.shape[-2]) or f(x, w),
        )
    aggregate = pst_conv.aggregate_displaced
    monkeypatch.setattr(
        pst_conv,
        'aggregate_displaced',
        lambda *args: sums.append(args[3].shape[1]) or aggregate(*args),
    )
    encoder = PSTNetEncoder(width=NARROW, radius=100.0, num_neighbors=3).train(training)
    out = encoder(torch.rand(2, 8, 64, 3))[1]
    # after the first layer: the features of the layer below, then its own
    assert products == [3] * 10 + [4]
    assert out.shape[3] == 4
    assert encoder.points_read(torch.rand(2, 8, 64, 3)) == [3 / 32, 3 / 16, 3 / 16, 3 / 8, 3 / 8]
    assert sums == ([32, 16, 16, 8, 8, 4] if training else [3] * 5 + [4])


@pytest.mark.parametrize('skip', [False, True])
@pytest.mark.parametrize(
    'shape', [(3, 4, 3, 64), (2, 5, 3, 64), (2, 4, 3, 70), (2, 4, 3, 60), (2, 4, 2, 64), (2, 4, 64)]
)
def test_features_that_do_not_fit_the_positions(shape, skip):
    encoder = PSTNetEncoder(in_channels=3, width=NARROW, skip_unread=skip)
    with pytest.raises(ValueError, match=r'features: expected shape \(2, 4, 3, 64\)'):
        encoder(torch.rand(2, 4, 64, 3), torch.rand(shape))


def test_one_floating_type():
    encoder = PSTNetEncoder(width=NARROW)
    with pytest.raises(TypeError, match='xyz: expected torch.float32, as the weights .*float64'):
        encoder(torch.rand(2, 4, 64, 3, dtype=torch.float64))
    assert encoder.double()(torch.rand(2, 4, 64, 3, dtype=torch.float64))[1].dtype == torch.float64
