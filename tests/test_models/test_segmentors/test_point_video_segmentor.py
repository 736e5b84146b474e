"""PointVideoSegmentor: modes, learning, and what is taken over from pre-training."""

import pytest
import torch
from mmengine.config import Config

from mmpointvideo.models.segmentors import PointVideoSegmentor
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_batch

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


def test_from_pretraining_on_scenes_to_segmentation(root, tmp_path):
    """The shipped models: PointCPSC on L segments of one frame, then the decoder on 3 frames."""
    models = root / 'configs' / '_base_' / 'models'
    config = Config.fromfile(models / 'pointcpsc_p4transformer-tiny.py')
    pretraining = MODELS.build(config.model)
    inputs, samples = tiny_batch(
        batch_size=2, num_frames=4, num_points=256, num_features=3, num_segments=4
    )
    losses = pretraining(inputs, samples, mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert sum('loss' in name for name in losses) == 3
    grads = [p.grad for p in pretraining.encoder.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)

    torch.save(dict(state_dict=pretraining.state_dict()), tmp_path / 'pre.pth')
    config = Config.fromfile(models / 'p4transformer-tiny_segmentor.py')
    model = MODELS.build(config.model | dict(encoder_checkpoint=str(tmp_path / 'pre.pth')))
    model.init_weights()
    for name, value in pretraining.encoder.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], value), name
    inputs, samples = _batch()
    assert model(inputs, samples, mode='loss')['loss'].isfinite()


def test_full_size_models_fit_together(root):
    models = root / 'configs' / '_base_' / 'models'
    for path in sorted(models.glob('p4transformer*_segmentor.py')):
        model = MODELS.build(Config.fromfile(path).model)
        skips = [step.skip_channels for step in model.head.steps]
        assert skips == model.encoder.level_channels[-2::-1]
        assert model.head.steps[0].in_channels == model.encoder.out_channels


def test_bfloat16():
    """Autocast touches products only; loss, gradients and statistics stay finite float32."""
    model = PointVideoSegmentor(ENCODER, HEAD)
    inputs, samples = _batch()
    expected = model(inputs, samples, mode='loss')['loss']
    with torch.autocast('cpu', torch.bfloat16):
        loss = model(inputs, samples, mode='loss')['loss']
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.05, rtol=0.05)
    assert all(p.grad.isfinite().all() for p in model.parameters())
