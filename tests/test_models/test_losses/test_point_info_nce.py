"""PointInfoNCELoss against Eq. 4, one superpoint at a time."""

import itertools

import pytest
import torch

from mmpointvideo.models.losses import PointInfoNCELoss
from tests.reference.losses import point_contrast
from tests.reference.memory import kept_for_backward


def _case(rows=7, entries=20, channels=5, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda n: torch.randn(n, channels, generator=generator, dtype=dtype)  # noqa: E731
    exclude = torch.rand(rows, entries, generator=generator) < 0.3
    return draw(rows), draw(rows), draw(entries), exclude


@pytest.mark.parametrize(
    ('anchor', 'weighting', 'k', 'ratio', 'batch'),
    list(
        itertools.product(
            ['prediction', 'target'],
            ['feature_weighted', 'add_positives', 'softmax'],
            [0, 1, 3],
            [0.7, 1.0],
            [False, True],
        )
    ),
)
def test_equals_the_equation(anchor, weighting, k, ratio, batch):
    prediction, target, bank, exclude = _case()
    settings = dict(
        temperature=0.2,
        negative_ratio=ratio,
        num_neighbors=k,
        weighting=weighting,
        anchor=anchor,
        in_batch_negatives=batch,
    )
    for mask in (None, exclude):
        inputs = [x.clone().requires_grad_() for x in (prediction, target)]
        expected_inputs = [x.clone().requires_grad_() for x in (prediction, target)]
        loss = PointInfoNCELoss(**settings, chunk_size=3)(*inputs, bank, mask)
        expected = point_contrast(*expected_inputs, bank, exclude=mask, **settings)
        torch.testing.assert_close(loss, expected)
        loss.backward()
        expected.backward()
        for got, want in zip(inputs, expected_inputs, strict=True):
            torch.testing.assert_close(got.grad, want.grad)


@pytest.mark.parametrize('anchor', ['prediction', 'target'])
def test_gradcheck(anchor):
    prediction, target, bank, exclude = _case(rows=4, entries=9, channels=3)
    loss = PointInfoNCELoss(0.3, num_neighbors=2, anchor=anchor, in_batch_negatives=True)
    inputs = (prediction.requires_grad_(), target.requires_grad_())
    assert torch.autograd.gradcheck(lambda q, z: loss(q, z, bank, exclude), inputs)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('anchor', ['prediction', 'target'])
def test_finite_at_the_papers_temperature(dtype, anchor):
    prediction, target, bank, _ = _case(64, 128, 16, torch.float32)
    loss = PointInfoNCELoss(0.01, anchor=anchor, in_batch_negatives=True)
    # random, identical (largest logits) and opposite vectors (smallest ones)
    for z in (target, prediction, -prediction):
        q = prediction.to(dtype).requires_grad_()
        value = loss(q, z.to(dtype), bank.to(dtype))
        value.backward()
        assert value.isfinite() and q.grad.isfinite().all()


def test_empty_bank_falls_back_to_the_batch():
    prediction, target, bank, _ = _case()
    loss = PointInfoNCELoss(0.2, num_neighbors=3)
    expected = point_contrast(
        prediction,
        target,
        bank[:0],
        temperature=0.2,
        negative_ratio=0.7,
        num_neighbors=0,
        weighting='add_positives',
        anchor='prediction',
    )
    torch.testing.assert_close(loss(prediction, target, bank[:0]), expected)


def test_rows_without_negatives_cost_nothing():
    prediction, target, bank, exclude = _case()
    exclude[:] = True
    q = prediction.requires_grad_()
    loss = PointInfoNCELoss(0.01)(q, target, bank, exclude)
    loss.backward()
    assert loss == 0 and torch.equal(q.grad, torch.zeros_like(q))


def test_vectors_are_normalised_first():
    prediction, target, bank, _ = _case()
    loss = PointInfoNCELoss(0.1)
    scaled = loss(prediction * 3, target * 0.1, bank * 7)
    torch.testing.assert_close(scaled, loss(prediction, target, bank))
    unit = torch.nn.functional.normalize(bank)
    torch.testing.assert_close(scaled, loss(prediction, target, unit, unit_bank=True))


def test_gathered_targets_of_other_processes_are_negatives():
    prediction, target, bank, _ = _case(rows=8)
    settings = dict(temperature=0.2, num_neighbors=1, in_batch_negatives=True)
    whole = PointInfoNCELoss(**settings)(prediction, target, bank)
    halves = [
        PointInfoNCELoss(**settings)(
            prediction[s : s + 4], target[s : s + 4], bank, batch_target=target, batch_offset=s
        )
        for s in (0, 4)
    ]
    torch.testing.assert_close(sum(halves) / 2, whole)


def test_statistics():
    prediction, target, bank, _ = _case()
    loss = PointInfoNCELoss(0.2, num_neighbors=2, weighting='add_positives')
    _, seen = loss.forward_with_statistics(prediction, target, bank)
    unit = torch.nn.functional.normalize
    q, z, m = unit(prediction), unit(target), unit(bank)
    aligned = (q * z).sum(1)
    near, index = (z @ m.T).topk(2)
    terms = ((q @ m.T).gather(1, index) / 0.2).exp().sum(1)
    share = (aligned / 0.2).exp() / ((aligned / 0.2).exp() + terms)
    torch.testing.assert_close(seen.similarity_prediction_target, aligned.mean())
    torch.testing.assert_close(seen.similarity_topk, near.mean())
    torch.testing.assert_close(seen.positive_share, share.mean())


@pytest.mark.parametrize('batch', [False, True])
def test_a_larger_bank_keeps_no_more_for_backward(batch):
    kept = {}
    for entries in (1024, 65536):
        prediction, target, _, _ = _case(48, 1, 16, torch.float32)
        bank = torch.randn(entries, 16)
        groups = torch.arange(48) // 6, torch.arange(entries) % 20
        inputs = prediction.requires_grad_(), target.requires_grad_()
        module = PointInfoNCELoss(0.1, in_batch_negatives=batch)
        loss, kept[entries] = kept_for_backward(
            lambda inputs=inputs, bank=bank, groups=groups, module=module: module(
                *inputs, bank, groups=groups
            )
        )
        loss.backward()
        assert prediction.grad.abs().sum() > 0
    assert kept[65536] == kept[1024] < 10 * prediction.numel() * 4


def test_chunks_and_groups_change_nothing():
    prediction, target, bank, _ = _case()
    groups = torch.arange(7) % 3, torch.arange(20) % 4
    exclude = groups[0][:, None] == groups[1]
    found = []
    for chunk, options in (
        (1024, dict(groups=groups)),
        (1024, dict(exclude=exclude)),
        (1, dict(groups=groups)),
    ):
        inputs = [x.clone().requires_grad_() for x in (prediction, target)]
        module = PointInfoNCELoss(0.2, in_batch_negatives=True, chunk_size=chunk)
        loss = module(*inputs, bank, **options)
        found.append((loss, *torch.autograd.grad(loss, inputs)))
    for other in found[1:]:
        for ours, theirs in zip(other, found[0], strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(temperature=0), 'temperature must be > 0'),
        (dict(negative_ratio=0), 'negative_ratio must be in'),
        (dict(negative_ratio=1.2), 'negative_ratio must be in'),
        (dict(num_neighbors=-1), 'num_neighbors: expected at least 0'),
        (dict(weighting='mean'), 'weighting must be one of'),
        (dict(anchor='bank'), 'anchor must be one of'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        PointInfoNCELoss(**settings)


def test_bad_shapes():
    prediction, target, bank, exclude = _case()
    loss = PointInfoNCELoss()
    with pytest.raises(ValueError, match='one shape'):
        loss(prediction[:3], target, bank)
    with pytest.raises(ValueError, match='bank of shape'):
        loss(prediction, target, bank[:, :2])
    with pytest.raises(ValueError, match='exclude of shape'):
        loss(prediction, target, bank, exclude[:, :2])
    for rows, offset in ((len(target) - 1, 0), (len(target), 1), (len(target), -1)):
        with pytest.raises(ValueError, match=f'from row batch_offset={offset} on'):
            loss(prediction, target, bank, batch_target=target[:rows], batch_offset=offset)
    with pytest.raises(ValueError, match='num_neighbors: expected at least 0, got -1'):
        loss(prediction, target, bank, num_neighbors=-1)
    with pytest.raises(TypeError, match='num_neighbors: expected an int, got 2.5'):
        PointInfoNCELoss(num_neighbors=2.5)
    with pytest.raises(ValueError, match='groups of shapes'):
        loss(prediction, target, bank, groups=(torch.arange(7), torch.arange(7)))


@pytest.mark.parametrize('double', [(0, 1), (0,), (1,), (2,), (0, 2)])
def test_types_may_differ(double):
    case = [_case(dtype=torch.float32)[i] for i in range(3)]
    wanted = PointInfoNCELoss(0.1)(*case)
    mixed = [x.double() if i in double else x for i, x in enumerate(case)]
    assert float(PointInfoNCELoss(0.1)(*mixed)) == pytest.approx(float(wanted), rel=1e-5)


def test_exclude_of_integers():
    prediction, target, bank = _case()[:3]
    exclude = torch.rand(len(target), len(bank)) < 0.3
    loss = PointInfoNCELoss(0.1)
    assert float(loss(prediction, target, bank, exclude.to(torch.uint8))) == float(
        loss(prediction, target, bank, exclude)
    )
