"""PointVideoSegmentor: modes, learning, and what is taken over from pre-training."""

import pytest
import torch

from mmpointvideo.models.segmentors import PointVideoSegmentor
from mmpointvideo.structures import PointVideoDataSample

ENCODER = dict(
    type='P4TransformerEncoder', variant='scene', in_channels=3, radius=0.5, num_neighbors=8,
    width=1 / 16,
)  # fmt: skip
HEAD = dict(
    type='PointSegHead', in_channels=[3, 8, 16, 32, 64], num_classes=3,
    decoder_channels=[[16], [16], [8], [8]],
)  # fmt: skip


def _batch(batch=2):
    xyz = torch.rand(batch, 3, 256, 3)
    samples = []
    for clip in xyz:
        sample = PointVideoDataSample(gt_pts_seg=(clip[..., 0] * 3).long())
        sample.loss_mask = clip[..., 1] > 0.1
        samples.append(sample)
    return dict(xyz=xyz, features=torch.rand(batch, 3, 3, 256)), samples


def test_modes():
    model = PointVideoSegmentor(ENCODER, HEAD)
    inputs, samples = _batch()
    model(inputs, samples, mode='loss')['loss'].backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    logits = model(inputs)
    assert logits.shape == (2, 3, 3, 256)
    for row, sample in zip(logits, model(inputs, samples, mode='predict'), strict=True):
        assert torch.equal(sample.pred_pts_seg, row.argmax(1))
    assert model(inputs, mode='predict')[1].pred_pts_seg.shape == (3, 256)
    with pytest.raises(ValueError, match='knows the modes'):
        model(inputs, samples, mode='score')


def test_it_learns():
    model = PointVideoSegmentor(ENCODER, HEAD)
    inputs, samples = _batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        found = model(inputs, samples, mode='loss')
        optimizer.zero_grad()
        found['loss'].backward()
        optimizer.step()
        losses.append(float(found['loss'].detach()))
    assert losses[-1] < 0.6 * losses[0]
    assert found['accuracy'] > 70


def test_encoder_of_a_pretraining_run_is_taken_over(tmp_path):
    source = PointVideoSegmentor(ENCODER, HEAD)
    state = {f'encoder.{k}': v for k, v in source.encoder.state_dict().items()}
    path = tmp_path / 'pretrained.pth'
    torch.save(dict(state_dict=state), path)
    model = PointVideoSegmentor(ENCODER, HEAD, encoder_checkpoint=str(path), frozen_encoder=True)
    model.init_weights()
    inputs, samples = _batch()
    model.train()
    assert not model.encoder.training and model.head.training
    model(inputs, samples, mode='loss')['loss'].backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    for name, value in source.encoder.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], value), name
    state.pop(next(iter(state)))
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ValueError, match='missing'):
        model.init_weights()


def test_the_encoder_must_have_levels():
    with pytest.raises(TypeError, match='forward_levels'):
        PointVideoSegmentor(dict(type='PSTNetEncoder', width=1 / 16), HEAD)
