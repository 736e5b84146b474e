"""PointContrastHead: what it takes from the bank and what it logs."""

import pytest
import torch
from mmengine.logging import MessageHub

from mmpointvideo.models.heads import PointContrastHead
from mmpointvideo.models.losses import PointInfoNCELoss
from mmpointvideo.models.memories import MemoryBank, Provenance

LOSS = dict(type='PointInfoNCELoss', temperature=0.2, num_neighbors=2)


@pytest.fixture
def bank():
    bank = MemoryBank(size=40, channels=6, enqueue_per_iter=30)
    video = torch.arange(30) % 3
    bank.enqueue(torch.randn(30, 6), Provenance(video, video, torch.zeros(30, 3)))
    return bank


@pytest.fixture
def epoch():
    hub = MessageHub.get_current_instance()
    yield lambda value: hub.update_info('epoch', value)
    hub.update_info('epoch', 0)


def test_entries_of_the_own_video_take_no_part(bank):
    prediction, target = torch.randn(2, 2, 1, 4, 6)
    video = torch.tensor([0, 2])
    out = PointContrastHead(LOSS).loss(prediction, target, video, bank)
    exclude = torch.zeros(8, 30, dtype=torch.bool)
    exclude[:4] = bank.video[:30] == 0
    exclude[4:] = bank.video[:30] == 2
    loss = PointInfoNCELoss(0.2, num_neighbors=2)
    rows = prediction.reshape(8, 6), target.reshape(8, 6)
    torch.testing.assert_close(out['loss_contrast'], loss(*rows, bank.features[:30], exclude))
    assert float(out['same_video_share']) == pytest.approx(1 / 3)
    assert float(out['bank_fill']) == 0.75

    out = PointContrastHead(LOSS, exclude_same_video=False).loss(prediction, target, video, bank)
    torch.testing.assert_close(out['loss_contrast'], loss(*rows, bank.features[:30]))


def test_neighbors_start_late(bank, epoch):
    prediction, target = torch.randn(2, 2, 1, 4, 6)
    video = torch.tensor([5, 6])
    head = PointContrastHead(LOSS, neighbor_start_epoch=3)
    epoch(2)
    early = head.loss(prediction, target, video, bank)
    assert early['positive_share'] == 1 and early['similarity_topk'] == 0
    epoch(3)
    late = head.loss(prediction, target, video, bank)
    assert late['positive_share'] < 1 and late['similarity_topk'] != 0


def test_without_a_bank_the_batch_gives_the_negatives():
    prediction, target = torch.randn(2, 2, 1, 4, 6)
    out = PointContrastHead(LOSS).loss(prediction, target, torch.tensor([0, 1]))
    rows = prediction.reshape(8, 6), target.reshape(8, 6)
    expected = PointInfoNCELoss(0.2, num_neighbors=0, in_batch_negatives=True)
    torch.testing.assert_close(out['loss_contrast'], expected(*rows, torch.zeros(0, 6)))
    assert out['bank_fill'] == 0
