"""convert_published.py and publish_model.py on checkpoints that the tests make."""

import argparse
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmpointvideo.checkpoints import load_encoder_weights, require_all_weights
from mmpointvideo.models.layers import P4DConv, PSTConv
from mmpointvideo.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]


def _tool(name):
    path = ROOT / 'tools' / 'model_converters' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def tool():
    return _tool('convert_published')


def _recognizer(encoder, head):
    return MODELS.build(dict(type='PointVideoRecognizer', encoder=encoder, head=head))


def _pstnet(classes=20):
    encoder = dict(type='PSTNetEncoder', width=1 / 16)
    return _recognizer(encoder, dict(type='ActionClsHead', in_channels=128, num_classes=classes))


def _p4transformer():
    encoder = dict(
        type='P4TransformerEncoder', variant='action', in_channels=0, radius=0.7, width=1 / 32
    )
    head = dict(type='TransformerClsHead', in_channels=32, num_classes=20, hidden_channels=64)
    return _recognizer(encoder, head)


def _bn(state, ours, theirs):
    parts = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    return {f'{theirs}.{part}': state[f'{ours}.{part}'] for part in parts}


def _conv(state, ours, theirs, dims):
    weight = state[f'{ours}.weight']
    return {f'{theirs}.weight': weight.reshape(*weight.shape, *[1] * dims)}


def _linear(state, ours, theirs, dims=0):
    return _conv(state, ours, theirs, dims) | {f'{theirs}.bias': state[f'{ours}.bias']}


def _published_pstnet(model, prefix='', head='fc'):
    state, out = model.state_dict(), {}
    for name in ('conv1', 'conv2a', 'conv2b', 'conv3a', 'conv3b', 'conv4'):
        ours, theirs = f'encoder.{name}', f'{prefix}{name}'
        out |= _conv(state, f'{ours}.displacement_proj', f'{theirs}.spatial_conv_d', 2)
        if name != 'conv1':
            out |= _conv(state, f'{ours}.feature_proj', f'{theirs}.spatial_conv_f', 2)
        out |= _bn(state, f'{ours}.norm', f'{theirs}.batch_norm')
        out |= _conv(state, f'{ours}.temporal_proj', f'{theirs}.temporal', 1)
    return out | (_linear(state, 'head.layers.0', head) if head else {})


def _published_transformer(state, depth):
    out = {}
    for i in range(depth):
        ours, theirs = f'encoder.transformer.blocks.{i}', f'transformer.layers.{i}'
        out |= _linear(state, f'{ours}.attention_norm', f'{theirs}.0.fn.norm')
        out |= _conv(state, f'{ours}.attention.qkv', f'{theirs}.0.fn.fn.to_qkv', 0)
        out |= _linear(state, f'{ours}.attention.out', f'{theirs}.0.fn.fn.to_out.0')
        out |= _linear(state, f'{ours}.mlp_norm', f'{theirs}.1.fn.norm')
        out |= _linear(state, f'{ours}.mlp.0', f'{theirs}.1.fn.fn.net.0')
        out |= _linear(state, f'{ours}.mlp.2', f'{theirs}.1.fn.fn.net.3')
    return out


def _published_p4transformer(model):
    state = model.state_dict()
    out = _conv(state, 'encoder.tube.displacement_proj', 'tube_embedding.conv_d.0', 2)
    out |= _linear(state, 'encoder.position', 'pos_embedding', 1)
    out |= _published_transformer(state, 5)
    for place in (0, 1, 3):
        out |= _linear(state, f'head.layers.{place}', f'mlp_head.{place}')
    return out


def _save(path, weights, **more):
    """As the published scripts do: DataParallel's names, options in a pickled namespace."""
    options = argparse.Namespace(radius=0.3, lr_milestones=[20, 30], model='MSRAction', resume='')
    weights = {f'module.{name}': value for name, value in weights.items()}
    checkpoint = dict(model=weights, optimizer=dict(state={}), epoch=34, args=options)
    torch.save(checkpoint | more, path)
    return path


def _assert_same(state, model):
    wanted = model.state_dict()
    assert set(state) == set(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0)


def test_pstnet_through_the_command(tool, tmp_path, capsys):
    model = _pstnet()
    source = _save(tmp_path / 'published.pth', _published_pstnet(model))
    out = tmp_path / 'ours.pth'
    assert tool.main([str(source), str(out)]) == 0
    text = capsys.readouterr().out
    assert 'pstnet: 49 weights, 49 taken over' in text and 'mid_channels=284' in text
    checkpoint = torch.load(out, weights_only=True)
    _assert_same(checkpoint['state_dict'], model)
    assert checkpoint['meta']['published']['args']['lr_milestones'] == [20, 30]
    assert checkpoint['meta']['published']['epoch'] == 34
    require_all_weights(_pstnet(), str(out))


def test_p4transformer(tool):
    model = _p4transformer()
    weights = _published_p4transformer(model)
    assert tool.guess_kind(list(weights)) == 'p4transformer'
    state, left = tool.convert(weights, 'p4transformer')
    assert not left
    _assert_same(state, model)


def test_p4transformer_for_scenes(tool):
    model = MODELS.build(
        dict(
            type='PointVideoSegmentor',
            encoder=dict(
                type='P4TransformerEncoder',
                variant='scene',
                in_channels=3,
                radius=0.9,
                width=1 / 32,
            ),
            head=dict(
                type='PointSegHead',
                in_channels=[3, 4, 8, 16, 32],
                decoder_channels=[[8, 8], [8, 8], [4, 4], [4, 4]],
                num_classes=12,
            ),
        )
    )
    state = model.state_dict()
    weights = _published_transformer(state, 2)
    for name in ('conv1', 'conv2', 'conv3', 'conv4'):
        ours = f'encoder.{name}'
        for part, short in (('displacement', 'conv_d'), ('feature', 'conv_f')):
            weights |= _conv(state, f'{ours}.{part}_proj', f'{name}.{short}.0', 2)
            weights |= _bn(state, f'{ours}.{part}_norm', f'{name}.{short}.1')
        for k in (0, 1):
            weights |= _conv(state, f'{ours}.mlp_projs.{k}', f'{name}.mlp.{3 * k}', 2)
            weights |= _bn(state, f'{ours}.mlp_norms.{k}', f'{name}.mlp.{3 * k + 1}')
    for step, name in enumerate(('deconv4', 'deconv3', 'deconv2', 'deconv1')):
        for k in (0, 1):
            ours = f'head.steps.{step}'
            weights |= _conv(state, f'{ours}.projs.{k}', f'{name}.conv.{3 * k}', 1)
            weights |= _bn(state, f'{ours}.norms.{k}', f'{name}.conv.{3 * k + 1}')
    weights |= _linear(state, 'head.classifier', 'outconv', 2)
    assert tool.guess_kind(list(weights)) == 'p4transformer_scene'
    converted, left = tool.convert(weights, 'p4transformer_scene')
    assert not left and 'multiplication' in tool.KINDS['p4transformer_scene'].note
    _assert_same(converted, model)


def test_pointcmp_gives_an_encoder(tool, tmp_path, capsys):
    model = _pstnet()
    weights = _published_pstnet(model, prefix='encoder.', head='')
    extra = ('pos_embedding.weight', 'transformer.layers.0.0.fn.norm.weight', 'mask_token')
    extra += ('mlp_head.1.running_mean', 'folding.conv.0.weight', 'v2_fc.bias')
    weights |= {name: torch.rand(3) for name in extra}
    source = _save(tmp_path / 'pointcmp.pth', weights)
    assert tool.main([str(source), str(tmp_path / 'ours.pth')]) == 0
    text = capsys.readouterr().out
    assert 'pointcmp: 53 weights, 47 taken over' in text
    assert 'left out (6): PointCMP pre-trains with it' in text and 'v2_fc.bias' in text
    other = _pstnet()
    report = load_encoder_weights(other.encoder, str(tmp_path / 'ours.pth'))
    assert report.complete
    torch.testing.assert_close(other.encoder.state_dict(), model.encoder.state_dict())
    # after fine-tuning the classifier is there, too
    tuned = _published_pstnet(model, prefix='encoder.', head='fc_out')
    _assert_same(tool.convert(tuned, 'pointcmp')[0], model)


def test_pst_transformer_is_an_initialisation(tool):
    model = _p4transformer()
    state = model.state_dict()
    weights = _conv(state, 'encoder.tube.displacement_proj', 'tube_embedding.conv_d.0', 2)
    for i in range(5):
        ours, theirs = f'encoder.transformer.blocks.{i}', f'transformer.layers.{i}'
        weights |= _linear(state, f'{ours}.attention_norm', f'{theirs}.0.norm')
        weights |= _conv(state, f'{ours}.attention.qkv', f'{theirs}.0.to_qkv', 0)
        weights |= {f'{theirs}.0.spatial_op.weight': torch.rand(4, 3)}
        weights |= _linear(state, f'{ours}.attention.out', f'{theirs}.0.to_out.0')
        weights |= _linear(state, f'{ours}.mlp_norm', f'{theirs}.1.net.0')
        weights |= _linear(state, f'{ours}.mlp.0', f'{theirs}.1.net.1')
        weights |= _linear(state, f'{ours}.mlp.2', f'{theirs}.1.net.4')
    for ours, theirs in ((0, 0), (1, 1), (3, 4)):
        weights |= _linear(state, f'head.layers.{ours}', f'mlp_head.{theirs}')
    assert tool.guess_kind(list(weights)) == 'pst_transformer'
    converted, left = tool.convert(weights, 'pst_transformer')
    assert len(left) == 5 and all('spatial_op' in name for name in left)
    for name in ('encoder.position.weight', 'encoder.position.bias'):
        assert not converted[name].any()
        model.state_dict()[name].zero_()
    _assert_same(converted, model)


def test_golden_layers_under_their_published_names(tool, golden):
    """The fixtures' weights, named as published, give the fixtures' outputs."""
    case = golden('p4d_conv', 'scene')
    weights = {
        f'conv1.{name.removeprefix("param/")}': torch.from_numpy(value)
        for name, value in case.items()
        if name.startswith('param/')
    }
    state, _ = tool.convert(weights, 'p4transformer_scene')
    conv = P4DConv(3, [8, 12, 16], 0.5, 16, 3, 4, temporal_padding=(1, 1)).eval()
    names = {name.removeprefix('encoder.conv1.'): value for name, value in state.items()}
    assert not conv.load_state_dict(names, strict=False).unexpected_keys
    missing = conv.load_state_dict(names, strict=False).missing_keys
    assert all(name.endswith('num_batches_tracked') for name in missing)
    xyz, features = (torch.from_numpy(case[name]) for name in ('xyz', 'features'))
    with torch.no_grad():
        out = conv(xyz, features)[1]
    np.testing.assert_allclose(out.numpy(), case['out_features'], rtol=1e-4, atol=1e-5)

    case = golden('pst_conv', 'multiplication_sum_zeros')
    parts = dict(weight='weight', bias='bias', running_mean='mean', running_var='var')
    weights = {f'conv1.batch_norm.{k}': torch.from_numpy(case[f'bn_{v}']) for k, v in parts.items()}
    for theirs, key in (
        ('spatial_conv_d', 'displacement'), ('spatial_conv_f', 'feature'), ('temporal', 'temporal')
    ):  # fmt: skip
        weight = torch.from_numpy(case[f'w_{key}']).flatten(1)
        weights[f'conv1.{theirs}.weight'] = weight[..., None, None]
    state, _ = tool.convert(weights, 'pstnet')
    conv = PSTConv(16, 24, 32, 0.4, 9, 3, 2, 2, (1, 0)).eval()
    names = {name.removeprefix('encoder.conv1.'): value for name, value in state.items()}
    assert not conv.load_state_dict(names, strict=False).unexpected_keys
    xyz, features = (torch.from_numpy(case[name]) for name in ('xyz', 'features'))
    with torch.no_grad():
        out = conv(xyz, features)[1]
    np.testing.assert_allclose(out.numpy(), case['out_features'], rtol=1e-3, atol=1e-4)


class _Payload:
    def __reduce__(self):
        return print, ('this must never run',)


def test_what_is_refused(tool, tmp_path, capsys):
    weights = _published_pstnet(_pstnet())
    out = str(tmp_path / 'out.pth')
    bad = _save(tmp_path / 'bad.pth', weights, payload=_Payload())
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        tool.load_published(bad)
    options = argparse.Namespace(x=_Payload())
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        tool.main([str(_save(tmp_path / 'bad2.pth', weights, args=options)), out])
    assert 'must never run' not in capsys.readouterr().out
    odd = _save(tmp_path / 'odd.pth', weights | {'conv5.weight': torch.rand(2)})
    with pytest.raises(ValueError, match=r"1 weights of a pstnet are unknown: \['conv5.weight'\]"):
        tool.main([str(odd), out])
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        tool.main([str(tmp_path / 'none.pth'), out])
    torch.save(dict(model=nn.Linear(2, 2).state_dict()), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='expected a checkpoint of'):
        tool.main([str(tmp_path / 'other.pth'), out])
    assert not Path(out).exists()


def test_check_against_a_config(tool, tmp_path, capsys):
    config = tmp_path / 'config.py'
    config.write_text(
        "model = dict(type='PointVideoRecognizer',\n"
        "    encoder=dict(type='PSTNetEncoder', width=1 / 16),\n"
        "    head=dict(type='ActionClsHead', in_channels=128, num_classes=20))\n"
    )
    source = _save(tmp_path / 'a.pth', _published_pstnet(_pstnet()))
    out = str(tmp_path / 'out.pth')
    assert tool.main([str(source), out, '--config', str(config)]) == 0
    assert 'fits PointVideoRecognizer' in capsys.readouterr().out
    source = _save(tmp_path / 'b.pth', _published_pstnet(_pstnet(classes=7)))
    with pytest.raises(ValueError, match=r'head\.layers\.0\.weight'):
        tool.main([str(source), out, '--config', str(config)])


def test_publish(tmp_path, capsys):
    tool = _tool('publish_model')
    model = _pstnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model.head(torch.rand(4, 128)).sum().backward()
    optimizer.step()
    checkpoint = dict(
        meta=dict(cfg='model = dict()', dataset_meta=dict(classes=['a']), epoch=3, seed=1),
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        message_hub=dict(log_scalars={}),
    )
    torch.save(checkpoint, tmp_path / 'epoch_3.pth')
    assert tool.main([str(tmp_path / 'epoch_3.pth'), str(tmp_path / 'net')]) == 0
    (path,) = tmp_path.glob('net-????????.pth')
    import hashlib

    assert path.stem.endswith(hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    published = torch.load(path, weights_only=True)
    assert set(published) == {'meta', 'state_dict'}
    assert set(published['meta']) == {'cfg', 'dataset_meta', 'epoch', 'mmpointvideo_version'}
    _assert_same(published['state_dict'], model)
    with pytest.raises(FileNotFoundError, match='does not exist|can not be found'):
        tool.main([str(tmp_path / 'none.pth'), str(tmp_path / 'net')])
