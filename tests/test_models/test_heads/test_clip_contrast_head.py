"""ClipContrastHead against a literal loop."""

import pytest
import torch
import torch.nn.functional as F

from mmpointvideo.models.heads import ClipContrastHead
from tests.reference.losses import prototype_contrast


def _head(**options):
    mlp = dict(type='MLPProjector', hidden_channels=7, out_channels=5)
    settings = dict(
        projector=dict(**mlp, in_channels=6),
        predictor=dict(**mlp, in_channels=5),
        loss=dict(type='PrototypeInfoNCELoss', temperature=0.2),
    )
    return ClipContrastHead(**{**settings, **options}).eval()


@pytest.mark.parametrize('symmetric', [True, False])
@pytest.mark.parametrize('predicts', [True, False])
def test_equals_the_definition(symmetric, predicts):
    head = _head(symmetric=symmetric, weight=3.0, **({} if predicts else dict(predictor=None)))
    context, target = torch.randn(4, 6, 6, 8), torch.randn(4, 2, 6, 8)
    losses = head.loss(context, target)

    embedded = []
    for clips in (context, target):
        pooled = torch.stack([clip.mean(2).max(0).values for clip in clips])
        embedded.append(head.projector(pooled))
    expected = [head.predictor(part) if predicts else part for part in embedded]
    forward = prototype_contrast(expected[0][:, None], embedded[1][:, None], 0.2)
    backward = prototype_contrast(expected[1][:, None], embedded[0][:, None], 0.2)
    wanted = (forward + backward) / 2 if symmetric else forward
    torch.testing.assert_close(losses['loss_clip'], 3 * wanted)
    cosine = F.cosine_similarity(expected[0], embedded[1]).mean()
    torch.testing.assert_close(losses['similarity_clip'], cosine)
    assert not losses['similarity_clip'].requires_grad


def test_pooling_is_that_of_the_config():
    context, target = torch.randn(3, 4, 6, 8), torch.randn(3, 2, 6, 8)
    one = _head(pooling=dict(type='ClipPooling', points='max', frames='mean'))
    parts = [x.max(3).values.mean(1) for x in (context, target)]
    embedded = [one.projector(part) for part in parts]
    cosine = F.cosine_similarity(one.predictor(embedded[0]), embedded[1]).mean()
    torch.testing.assert_close(one.loss(context, target)['similarity_clip'], cosine)


def test_half_precision_embeddings():
    head = _head().train()
    context, target = torch.randn(4, 6, 6, 8), torch.randn(4, 2, 6, 8)
    with torch.autocast('cpu', torch.bfloat16):
        losses = head.loss(context, target)
    assert all(value.dtype == torch.float32 for value in losses.values())
    losses['loss_clip'].backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())
