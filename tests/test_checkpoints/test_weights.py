"""Taking over the weights of an encoder."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mmpointvideo.checkpoints import load_encoder_weights, read_state_dict, require_all_weights


def make_encoder(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))


def pretrained(width: int = 4) -> dict:
    model = nn.ModuleDict({'encoder': make_encoder(width), 'projector': nn.Linear(width, 2)})
    model['encoder'][1].running_mean.fill_(7.0)
    return {'state_dict': model.state_dict(), 'meta': {}}


def test_every_weight_is_accounted_for(tmp_path: Path) -> None:
    checkpoint = pretrained()
    torch.save(checkpoint, tmp_path / 'pre.pth')
    encoder = make_encoder()
    report = load_encoder_weights(encoder, tmp_path / 'pre.pth')
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, checkpoint['state_dict'][f'encoder.{name}'])
    assert report.used == list(encoder.state_dict())
    assert (report.missing, report.mismatched, report.unexpected) == ([], [], [])
    assert report.left_over == ['projector.weight', 'projector.bias']
    assert 'left over (2): projector (2)' in str(report)
    assert encoder[1].running_mean.tolist() == [7.0] * 4  # BN statistics too


@pytest.mark.parametrize('wrapper', ['', 'module.'])
@pytest.mark.parametrize('prefix', ['encoder.', ''])
def test_wrapped_models_and_files_of_an_encoder_alone(prefix: str, wrapper: str) -> None:
    source = make_encoder()
    state = {f'{wrapper}{prefix}{name}': value for name, value in source.state_dict().items()}
    encoder = make_encoder()
    assert load_encoder_weights(encoder, state, prefix=prefix).complete
    assert torch.equal(encoder[0].weight, source[0].weight)


def damage_missing(state: dict) -> None:
    del state['encoder.0.bias']


def damage_shape(state: dict) -> None:
    state['encoder.0.weight'] = torch.zeros(5, 3)


def damage_extra(state: dict) -> None:
    state['encoder.2.weight'] = torch.zeros(1)


@pytest.mark.parametrize(
    ('damage', 'said'),
    [
        (damage_missing, r'missing \(1\): 0\.bias'),
        (damage_shape, r'mismatched \(1\): 0\.weight: \(4, 3\), \(5, 3\)'),
        (damage_extra, r'unexpected \(1\): 2\.weight'),
    ],
)
def test_an_encoder_that_is_not_wholly_loaded_is_an_error(damage, said: str) -> None:
    checkpoint = pretrained()
    damage(checkpoint['state_dict'])
    encoder = make_encoder()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(ValueError, match=said):
        load_encoder_weights(encoder, checkpoint)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])
    report = load_encoder_weights(encoder, checkpoint, strict=False)
    assert not report.complete
    assert '1.running_mean' in report.used
    assert encoder[1].running_mean.tolist() == [7.0] * 4


def test_nothing_found_is_an_error_in_any_case() -> None:
    with pytest.raises(ValueError, match='0 used'):
        load_encoder_weights(make_encoder(), pretrained(), prefix='backbone.', strict=False)


def test_a_file_without_weights_is_named(tmp_path: Path) -> None:
    torch.save({'meta': {}}, tmp_path / 'empty.pth')
    with pytest.raises(ValueError, match='empty.pth: expected a checkpoint with a state_dict'):
        read_state_dict(tmp_path / 'empty.pth')


def test_require_all_weights(tmp_path: Path) -> None:
    model = make_encoder()
    require_all_weights(model, {'state_dict': model.state_dict()})
    with pytest.raises(ValueError, match='not one of this Sequential'):
        require_all_weights(model, pretrained())
