"""SemanticClusterHead against Eqs. 5-8."""

import pytest
import torch
import torch.nn.functional as F

from mmpointvideo.models.heads import SemanticClusterHead
from tests.reference.losses import assignment_divergence, prototype_contrast, updated_prototypes


def _head(**options):
    settings = dict(
        channels=6,
        num_prototypes=4,
        prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.2),
        assignment_loss=dict(type='AssignmentKLLoss'),
    )
    return SemanticClusterHead(**{**settings, **options})


def test_equals_the_equations():
    head = _head(prototype_weight=0.5, assignment_weight=2.0)
    prediction, target = torch.randn(2, 3, 2, 5, 6)
    losses = head.loss(prediction, target)

    p, t = (F.normalize(x, dim=-1).flatten(1, 2) for x in (prediction, target))
    s_p, s_t = (
        F.normalize(s, dim=-1) for s in (head.prediction_prototypes, head.target_prototypes)
    )
    updated_p = torch.stack([updated_prototypes(clip, s_p, 0.1) for clip in p])
    updated_t = torch.stack([updated_prototypes(clip, s_t, 0.1) for clip in t])
    predicted = head.predictor(F.normalize(updated_p, dim=-1))
    expected = 0.5 * prototype_contrast(predicted, updated_t, 0.2)
    torch.testing.assert_close(losses['loss_prototype'], expected)

    a_p = torch.softmax(p @ s_p.T / 0.1, dim=-1).flatten(0, 1)
    a_t = torch.softmax(t @ s_t.T / 0.1, dim=-1).flatten(0, 1)
    torch.testing.assert_close(losses['loss_assignment'], 2 * assignment_divergence(a_p, a_t))

    mean = a_t.mean(0)
    entropy = -(mean * mean.log()).sum() / torch.log(torch.tensor(4.0))
    torch.testing.assert_close(losses['prototype_entropy'], entropy.detach())
    unit = F.normalize(updated_t, dim=-1)
    largest = max(
        float(clip[i] @ clip[j]) for clip in unit for i in range(4) for j in range(4) if i != j
    )
    assert float(losses['prototype_max_cosine']) == pytest.approx(largest, abs=1e-5)


def test_literal_temperature_makes_updated_prototypes_coincide():
    # why assignment_temperature exists: with 1 the softmax of cosines is almost uniform
    target = torch.randn(2, 1, 64, 256)
    options = dict(channels=256, num_prototypes=10)
    literal = _head(**options, assignment_temperature=1.0).loss(target, target)
    ours = _head(**options, assignment_temperature=0.1).loss(target, target)
    assert literal['prototype_max_cosine'] > 0.99 > ours['prototype_max_cosine']


def test_both_groups_of_prototypes_learn():
    head = _head()
    prediction, target = torch.randn(2, 3, 2, 5, 6)
    sum(v for k, v in head.loss(prediction, target).items() if 'loss' in k).backward()
    for name in ('prediction_prototypes', 'target_prototypes'):
        assert getattr(head, name).grad.abs().sum() > 0, name


def test_terms_can_be_left_out():
    prediction, target = torch.randn(2, 3, 2, 5, 6)
    losses = _head(assignment_loss=None).loss(prediction, target)
    assert 'loss_prototype' in losses and 'loss_assignment' not in losses
    head = _head(prototype_loss=None)
    assert not list(head.predictor.parameters())
    assert 'loss_prototype' not in head.loss(prediction, target)
    with pytest.raises(ValueError, match='prototype_loss, assignment_loss or both'):
        _head(prototype_loss=None, assignment_loss=None)


def test_one_prototype_contrasts_the_means_of_the_clips():
    head = _head(num_prototypes=1, predictor_channels=0, assignment_loss=None)
    prediction, target = torch.randn(2, 3, 2, 5, 6, requires_grad=True)
    losses = head.loss(prediction, target)
    assert set(losses) == {'loss_prototype'}
    q, z = (
        F.normalize(F.normalize(x, dim=-1).mean(dim=(1, 2)), dim=-1) for x in (prediction, target)
    )
    expected = prototype_contrast(q[:, None], z[:, None], 0.2)
    torch.testing.assert_close(losses['loss_prototype'], expected)


def test_number_of_prototypes():
    with pytest.raises(ValueError, match='num_prototypes must be >= 1, got 0'):
        _head(num_prototypes=0)


def test_finite_in_bfloat16():
    head = _head(prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.01))
    prediction, target = torch.randn(2, 3, 2, 5, 6).bfloat16()
    losses = head.loss(prediction.requires_grad_(), target)
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_modules_of_other_types(dtype):
    head = _head()
    prediction, target = torch.randn(2, 2, 1, 5, 6).unbind(0)
    wanted = head.loss(prediction, target)
    found = head.to(dtype).loss(prediction.to(dtype), target.to(dtype))
    assert found.keys() == wanted.keys()
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(float(value), rel=tolerance, abs=tolerance)
        assert found[name].dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_gradcheck():
    head = _head().double()

    def losses(prediction, target):
        out = head.loss(prediction, target)
        return out['loss_prototype'], out['loss_assignment']

    inputs = [torch.randn(2, 1, 3, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(losses, inputs)
