"""PointCPSC: the way from a clip to the losses."""

import pytest
import torch

from mmpointvideo.models.memories import Provenance
from mmpointvideo.models.selfsup import PointCPSC
from mmpointvideo.structures import PointVideoDataSample


def _config(**options):
    mlp = dict(type='MLPProjector', hidden_channels=24, out_channels=16)
    config = dict(
        encoder=dict(type='PSTNetEncoder', radius=0.5, width=1 / 16, padding_mode='replicate'),
        projector=dict(**mlp, in_channels=128),
        autoregressor=dict(
            type='CausalAutoregressor',
            channels=16,
            depth=1,
            num_heads=2,
            head_channels=8,
            mlp_channels=32,
        ),
        predictor=dict(**mlp, in_channels=16),
        contrast_head=dict(
            type='PointContrastHead',
            loss=dict(type='PointInfoNCELoss', temperature=0.1, num_neighbors=3),
        ),
        cluster_head=dict(
            type='SemanticClusterHead',
            channels=16,
            num_prototypes=4,
            prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
        ),
        memory_bank=dict(type='MemoryBank', size=32, channels=16, enqueue_per_iter=8),
    )
    return {**config, **options}


def _batch(batch=2, segments=3, points=64):
    xyz = torch.rand(batch, segments, 4, points, 3) + 1
    samples = [
        PointVideoDataSample(
            metainfo=dict(video_index=10 + i, frame_inds=torch.arange(segments * 4) + 5)
        )
        for i in range(batch)
    ]
    return dict(xyz=xyz, features=None), samples


def test_losses_and_statistics():
    model = PointCPSC(**_config())
    losses = model(*_batch(), mode='loss')
    assert {
        'loss_contrast',
        'loss_prototype',
        'positive_share',
        'similarity_prediction_target',
        'similarity_topk',
        'bank_fill',
        'same_video_share',
        'prototype_entropy',
        'prototype_max_cosine',
        'feature_std',
    } == set(losses)
    total, _ = model.parse_losses(losses)
    total.backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # a bias before a batch norm, or one that shifts all logits alike, may have a zero gradient
    assert not [n for n in missing if not n.endswith('bias')]


def test_unsplit_and_split_clips_are_the_same():
    model = PointCPSC(**_config(num_segments=3)).eval()
    inputs, _ = _batch()
    whole = dict(xyz=inputs['xyz'].flatten(1, 2), features=None)
    for name, value in model(inputs).items():
        torch.testing.assert_close(value, model(whole)[name])


def test_the_prediction_does_not_see_the_target_segment():
    model = PointCPSC(**_config()).eval()
    inputs, _ = _batch()
    out = model(inputs)
    # other target features at the same target positions: later frames of the segment move
    changed = inputs['xyz'].clone()
    changed[:, -1, 1:] += 0.2
    other = model(dict(xyz=changed, features=None))
    assert not torch.allclose(out['target'], other['target'])
    torch.testing.assert_close(out['xyz'], other['xyz'])
    torch.testing.assert_close(out['prediction'], other['prediction'])


def test_alignment_interpolates_over_three_neighbours():
    source, target = torch.rand(2, 2, 6, 3), torch.rand(2, 2, 5, 3)
    predicted = torch.randn(2, 2, 6, 4)
    aligned = PointCPSC.align(predicted, source, target)
    for b in range(2):
        for t in range(2):
            for i in range(5):
                dist = (source[b, t] - target[b, t, i]).norm(dim=1)
                near = dist.argsort()[:3]
                weight = 1 / (dist[near] + 1e-8)
                expected = (weight / weight.sum()) @ predicted[b, t, near]
                torch.testing.assert_close(aligned[b, t, i], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        PointCPSC.align(predicted, source, source), predicted, atol=1e-4, rtol=1e-4
    )


def test_stop_gradient_target():
    for stop in (False, True):
        model = PointCPSC(**_config(stop_gradient_target=stop))
        assert model(_batch()[0])['target'].requires_grad is not stop


def test_memory_update_keeps_where_targets_come_from():
    model = PointCPSC(**_config(memory_bank=dict(type='MemoryBank', size=64, channels=16)))
    inputs, samples = _batch()
    model(inputs, samples, mode='loss')
    assert model.memory_bank.num_valid == 0
    model.update_memory()
    bank = model.memory_bank
    superpoints = model.predict_segment(inputs)['xyz'].shape[2]
    assert bank.num_valid == 2 * superpoints
    assert bank.video[: bank.num_valid].tolist() == [10] * superpoints + [11] * superpoints
    # the last segment's first frame
    assert set(bank.frame[: bank.num_valid].tolist()) == {5 + 8}
    last_frame_points = inputs['xyz'][0, -1, 0]
    same = (bank.position[:superpoints, None] == last_frame_points).all(-1)
    assert same.any(1).all()
    model.update_memory()
    assert bank.num_valid == 2 * superpoints


def test_bank_is_part_of_the_state():
    model = PointCPSC(**_config())
    model.memory_bank.enqueue(torch.randn(8, 16), Provenance(*_ids(8)))
    other = PointCPSC(**_config())
    other.load_state_dict(model.state_dict())
    assert other.memory_bank.num_valid == 8
    assert torch.equal(other.memory_bank.features, model.memory_bank.features)


def _ids(n):
    return torch.arange(n), torch.arange(n), torch.zeros(n, 3)


def test_bad_input():
    model = PointCPSC(**_config())
    inputs, _ = _batch()
    with pytest.raises(ValueError, match='SplitSegments'):
        model(dict(xyz=inputs['xyz'].flatten(1, 2), features=None))
    with pytest.raises(ValueError, match='at least 2 segments'):
        model(dict(xyz=inputs['xyz'][:, :1], features=None))
    with pytest.raises(ValueError, match='num_segments=4'):
        PointCPSC(**_config(num_segments=4))(inputs)
    with pytest.raises(ValueError, match="'loss' and 'tensor'"):
        model(inputs, mode='predict')


def test_samples_that_say_too_little():
    model = PointCPSC(**_config())
    inputs, samples = _batch()
    message = r"2 clips expects as many data samples with \['frame_inds', 'video_index'\], got "
    with pytest.raises(ValueError, match=message + '0'):
        model(inputs, None, 'loss')
    with pytest.raises(ValueError, match=message + '1'):
        model(inputs, samples[:1], 'loss')
    lacking = [PointVideoDataSample(metainfo=dict(video_index=i)) for i in range(2)]
    with pytest.raises(ValueError, match=message + r"2 with \[\['video_index'\]"):
        model(inputs, lacking, 'loss')
    PointCPSC(**_config(memory_bank=None))(inputs, lacking, 'loss')  # needs no frames


def test_batches_that_nothing_stores_are_bounded(monkeypatch):
    monkeypatch.setattr('mmpointvideo.models.selfsup.pointcpsc.MOST_PENDING', 2)
    model = PointCPSC(**_config())
    inputs, samples = _batch()
    for _ in range(2):
        model(inputs, samples, 'loss')
    with pytest.warns(UserWarning, match='add MemoryBankHook to custom_hooks'):
        model(inputs, samples, 'loss')
    assert len(model._pending) == 2


@pytest.mark.parametrize('shape', [(12, 1), (3,), ()])
def test_frame_numbers_of_another_length(shape):
    """They are the provenance of what the memory keeps."""
    inputs, samples = _batch()
    samples[1].set_metainfo(dict(frame_inds=torch.zeros(shape, dtype=torch.int64)))
    with pytest.raises(ValueError, match='numbers of 12 frames for each clip'):
        PointCPSC(**_config())(inputs, samples, mode='loss')


def test_alignment_in_half_precision():
    """A target at a source takes its prediction."""
    xyz = torch.rand(1, 1, 5, 3).half()
    predicted = torch.randn(1, 1, 5, 4).half()
    aligned = PointCPSC.align(predicted, xyz, xyz)
    torch.testing.assert_close(aligned, predicted, rtol=0.02, atol=0.02)


def test_whole_clips_are_contrasted_beside_superpoints():
    """The context is all that comes before the target; nothing else changes."""
    head = dict(
        type='ClipContrastHead',
        projector=dict(type='MLPProjector', in_channels=128, hidden_channels=8, out_channels=4),
        predictor=None,
        loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
    )
    model = PointCPSC(**_config(clip_head=head))  # in training mode features differ
    inputs, samples = _batch()
    losses = model(inputs, samples, mode='loss')
    _, encoded = model.encoder(inputs['xyz'].flatten(0, 1))
    encoded = encoded.unflatten(0, (2, 3))
    wanted = model.clip_head.loss(torch.cat([encoded[:, 0], encoded[:, 1]], 1), encoded[:, 2])
    torch.testing.assert_close(losses['loss_clip'], wanted['loss_clip'])
    for less in (encoded[:, 0], encoded[:, 1]):
        other = model.clip_head.loss(less, encoded[:, 2])
        assert (other['loss_clip'] - wanted['loss_clip']).abs() > 1e-4
    model.clip_head = None
    without = model(inputs, samples, mode='loss')
    assert set(losses) - set(without) == {'loss_clip', 'similarity_clip'}
    for name, value in without.items():
        torch.testing.assert_close(losses[name], value, msg=name)
