"""PointVideoRecognizer: fine-tuning, probing, and what is frozen."""

import pytest
import torch

from mmpointvideo.models.recognizers import PointVideoRecognizer
from mmpointvideo.structures import PointVideoDataSample

ENCODER = dict(type='PSTNetEncoder', radius=0.5, width=1 / 16, padding_mode='replicate')


def _model(hidden=16, **options):
    head = dict(type='ActionClsHead', in_channels=128, num_classes=5, hidden_channels=hidden)
    return PointVideoRecognizer(encoder=ENCODER, head=head, **options)


def _batch(batch=3):
    samples = []
    for i in range(batch):
        sample = PointVideoDataSample()
        sample.gt_label = torch.tensor([i])
        samples.append(sample)
    return dict(xyz=torch.rand(batch, 8, 64, 3) + 1, features=None), samples


def test_modes():
    model = _model()
    inputs, samples = _batch()
    losses = model(inputs, samples, mode='loss')
    losses['loss'].backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    logits = model(inputs)
    predicted = model(inputs, samples, mode='predict')
    for row, sample in zip(logits, predicted, strict=True):
        torch.testing.assert_close(sample.pred_score, row.softmax(0))
        assert int(sample.pred_label) == int(row.argmax())
    with pytest.raises(ValueError, match='knows the modes'):
        model(inputs, samples, mode='score')


def test_frozen_encoder_does_not_change_at_all():
    model = _model(hidden=None, frozen_encoder=True)
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=1.0)
    model.train()
    assert not model.encoder.training and model.head.training
    head = model.head.layers[0].weight.clone()
    model(*_batch(), mode='loss')['loss'].backward()
    optimizer.step()
    for name, value in model.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not torch.equal(model.head.layers[0].weight, head)


def test_encoder_of_a_pretraining_run_is_taken_over(tmp_path):
    source = _model()
    state = {f'encoder.{k}': v for k, v in source.encoder.state_dict().items()}
    state['projector.out.weight'] = torch.zeros(2, 2)
    torch.save(dict(state_dict=state), tmp_path / 'pretrained.pth')
    model = _model(hidden=None, encoder_checkpoint=str(tmp_path / 'pretrained.pth'))
    model.init_weights()
    for name, value in source.encoder.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], value), name


def test_a_missing_weight_is_an_error(tmp_path):
    state = {f'encoder.{k}': v for k, v in _model().encoder.state_dict().items()}
    state.pop(next(iter(state)))
    torch.save(dict(state_dict=state), tmp_path / 'cut.pth')
    model = _model(encoder_checkpoint=str(tmp_path / 'cut.pth'))
    with pytest.raises(ValueError, match='missing'):
        model.init_weights()


def test_labels_outside_the_head():
    inputs, samples = _batch()
    samples[1].gt_label = torch.tensor([5])
    with pytest.raises(ValueError, match=r'0\.\.4'):
        _model()(inputs, samples, mode='loss')
