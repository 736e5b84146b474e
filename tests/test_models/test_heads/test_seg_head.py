"""PointSegHead: the decoder against its transcription, the loss against a count of points."""

import copy
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from mmpointvideo.models.heads import PointSegHead, TransformerClsHead
from mmpointvideo.structures import PointVideoDataSample
from tests.reference.p4d_conv import literal_p4d_trans_conv

WEIGHTS = [1.0, 2.0, 0.5]


def _head(**options):
    base = dict(
        in_channels=[3, 4, 6], decoder_channels=[[5, 5], [4]], num_classes=3, class_weights=WEIGHTS
    )
    return PointSegHead(**(base | options))


def _levels(dtype=torch.float32):
    sizes = ((3, 40), (4, 12), (6, 5))
    return [
        (torch.rand(2, 3, n, 3, dtype=dtype), torch.randn(2, 3, c, n, dtype=dtype))
        for c, n in sizes
    ]


def _samples(mask=True):
    samples = []
    for _ in range(2):
        labels = torch.randint(0, 4, (3, 40))
        sample = PointVideoDataSample(gt_pts_seg=torch.where(labels == 3, 255, labels))
        if mask:
            sample.loss_mask = torch.rand(3, 40) < 0.6
        samples.append(sample)
    return samples


def test_decoder():
    head, levels = _head().double(), _levels(torch.float64)
    literal = copy.deepcopy(head)
    (xyz, x), *finer = reversed(levels)
    for step, (target, skip) in zip(literal.steps, finer, strict=True):
        x, xyz = literal_p4d_trans_conv(step, xyz, target, x, skip), target
    weight, bias = literal.classifier.weight, literal.classifier.bias
    expected = torch.einsum('btcn,kc->btkn', x, weight) + bias[:, None]
    torch.testing.assert_close(head(levels), expected)


@pytest.mark.parametrize('mask', [True, False])
def test_loss(mask):
    head, levels, samples = _head().eval(), _levels(), _samples(mask)
    logits = head(levels)
    total, count, right = 0.0, 0, 0
    for b, sample in enumerate(samples):
        for t in range(3):
            for n in range(40):
                label = int(sample.gt_pts_seg[t, n])
                if label == 255 or (mask and not sample.loss_mask[t, n]):
                    continue
                log_p = logits[b, t, :, n].log_softmax(0)
                total = total - WEIGHTS[label] * log_p[label]
                count += 1
                right += int(log_p.argmax()) == label
    found = head.loss(levels, samples)
    torch.testing.assert_close(found['loss'], total / count)
    assert float(found['accuracy']) == pytest.approx(100 * right / count)


def test_points_outside_the_mask_have_no_influence():
    head, levels, samples = _head().eval(), _levels(), _samples()
    before = head.loss(levels, samples)['loss']
    for sample in samples:
        sample.gt_pts_seg = torch.where(sample.loss_mask, sample.gt_pts_seg, 1)
    assert head.loss(levels, samples)['loss'] == before
    for sample in samples:
        sample.loss_mask = torch.zeros_like(sample.loss_mask)
    assert head.loss(levels, samples)['loss'] == 0


def test_predict():
    head, levels, samples = _head(with_logits=True).eval(), _levels(), _samples()
    logits = head(levels)
    for row, sample in zip(logits, head.predict(levels, samples), strict=True):
        assert sample.pred_pts_seg.shape == (3, 40) and sample.pts_seg_logits.shape == (3, 3, 40)
        torch.testing.assert_close(sample.pts_seg_logits, row)
        assert torch.equal(sample.pred_pts_seg, row.argmax(1))
    assert 'pts_seg_logits' not in _head().eval().predict(levels, _samples())[0]


def test_errors():
    head, levels, samples = _head(), _levels(), _samples()
    with pytest.raises(ValueError, match='expected 3 levels, got 2'):
        head(levels[1:])
    with pytest.raises(ValueError, match='3 channels, got None'):
        head([(levels[0][0], None), *levels[1:]])
    samples[0].gt_pts_seg = torch.full((3, 40), 7)
    with pytest.raises(ValueError, match=r'0\.\.2 or ignore_index=255, got .*7'):
        head.loss(levels, samples)
    samples[0].gt_pts_seg = torch.zeros(3, 39, dtype=torch.int64)
    with pytest.raises(ValueError, match='gt_pts_seg: expected shape'):
        head.loss(levels, samples)
    with pytest.raises(ValueError, match='expected gt_pts_seg, got none'):
        head.loss(levels, [PointVideoDataSample()] * 2)
    with pytest.raises(ValueError, match='class_weights'):
        _head(class_weights=[1.0])
    with pytest.raises(ValueError, match='one decoder step less'):
        _head(decoder_channels=[[4]])
    with pytest.raises(ValueError, match='no class'):
        _head(ignore_index=1)


def test_transformer_cls_head():
    head = TransformerClsHead(8, 5, hidden_channels=16)
    norm, first, act, last = head.layers
    x = torch.randn(3, 8)
    expected = last(torch.nn.functional.gelu(first(torch.nn.functional.layer_norm(x, (8,)))))
    torch.testing.assert_close(head(x), expected)
    sample = PointVideoDataSample(gt_label=2)
    assert set(head.loss(x[:1], [sample])) == {'loss', 'accuracy'}


def gradient_of_a_share(rank: int, port: int, state: dict, batch: tuple, folder: str) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=2)
    torch.save(classifier_gradient(state, *share(*batch, rank)), Path(folder) / f'{rank}.pth')
    dist.destroy_process_group()


def share(levels, samples, rank):
    return [(xyz[rank : rank + 1], x[rank : rank + 1]) for xyz, x in levels], [samples[rank]]


def classifier_gradient(state, levels, samples):
    head = _head().eval()
    head.load_state_dict(state)
    head.loss(levels, samples)['loss'].backward()
    return head.classifier.weight.grad


@pytest.mark.parametrize('labelled', [7, 0])
def test_two_processes_with_different_numbers_of_labels_are_one(tmp_path, labelled):
    state, levels, samples = _head().state_dict(), _levels(), _samples(mask=False)
    samples[0].gt_pts_seg[:, labelled:] = 255  # far fewer points than the other, or none
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    mp.spawn(gradient_of_a_share, (port, state, (levels, samples), str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f'{rank}.pth', weights_only=True) for rank in range(2)]
    expected = classifier_gradient(state, levels, samples)
    torch.testing.assert_close((parts[0] + parts[1]) / 2, expected)


def test_loss_in_float64():
    head, levels, samples = _head().eval(), _levels(), _samples()
    wanted = head.loss(levels, samples)['loss']
    levels = [(xyz.double(), features.double()) for xyz, features in levels]
    found = head.double().loss(levels, samples)['loss']
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize('kind', [tuple, torch.tensor, np.array])
def test_class_weights_of_any_sequence(kind):
    assert torch.equal(_head(class_weights=kind(WEIGHTS)).class_weights, torch.tensor(WEIGHTS))
