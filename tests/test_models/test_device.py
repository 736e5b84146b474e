"""Models on a device: a step of training, validation and metrics, equal to those on the CPU."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmpointvideo.evaluation import SegIoU, VideoAccuracy
from mmpointvideo.models.layers import P4DConv, P4DTransConv, PSTConv, PSTConvTranspose
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_batch
from mmpointvideo.testing.runs import _MODEL

PSTNET = dict(type='PSTNetEncoder', width=1 / 16, num_neighbors=4, padding_mode='replicate')
P4 = dict(type='P4TransformerEncoder', radius=0.5, num_neighbors=4)
ACTION = dict(P4, variant='action', in_channels=0, width=1 / 32, depth=1)
SCENE = dict(P4, variant='scene', in_channels=3, width=1 / 16)
RECOGNIZERS = dict(
    pstnet=dict(
        encoder=dict(PSTNET, in_channels=2),
        head=dict(type='ActionClsHead', in_channels=128, num_classes=4, hidden_channels=8),
    ),
    probe=dict(
        encoder=dict(PSTNET, variant='ntu', padding_mode='zeros', recompute=True),
        head=dict(type='ActionClsHead', in_channels=128, num_classes=4, standardize=True),
    ),
    p4transformer=dict(
        encoder=ACTION,
        pooling=dict(type='ClipPooling', points='max'),
        head=dict(type='TransformerClsHead', in_channels=32, hidden_channels=16, num_classes=4),
    ),
)
SEG_HEAD = dict(
    type='PointSegHead', in_channels=[3, 8, 16, 32, 64], num_classes=3, class_weights=[1, 2, 0.5],
    decoder_channels=[[16], [16], [8], [8]], with_logits=True,
)  # fmt: skip
TASKS = dict(
    {name: dict(type='PointVideoRecognizer', **parts) for name, parts in RECOGNIZERS.items()},
    segmentor=dict(type='PointVideoSegmentor', encoder=SCENE, head=SEG_HEAD),
)


def batch_of(model: str, seed: int) -> dict[str, Any]:
    """Packed clips as a dataloader gives them, on the CPU."""
    if model == 'segmentor':
        inputs, samples = tiny_batch(2, 3, 256, num_features=3, seed=seed)
        for clip, sample in zip(inputs['xyz'], samples, strict=True):
            sample.gt_pts_seg = (clip[..., 1] * 2).clamp(-1, 1).long() + 1
            sample.gt_pts_seg[:, :9] = 255
            sample.loss_mask = clip[..., 0] > -0.3
    else:
        features = 2 if model == 'pstnet' else 0
        frames = 19 if model == 'probe' else 12
        inputs, samples = tiny_batch(4, frames, 32, num_features=features, seed=seed)
    points = inputs['xyz']
    if inputs['features'] is not None:
        points = torch.cat([points, inputs['features'].transpose(-1, -2)], dim=-1)
    return dict(inputs=list(points), data_samples=samples)


def build(config: dict, there: torch.device | str, frozen: bool = False) -> Any:
    torch.manual_seed(0)
    config = copy.deepcopy(config)
    if frozen:
        config['frozen_encoder'] = True
    return MODELS.build(config).to(there).train()


def train_steps(model: Any, batches: list[dict]) -> list[dict[str, Tensor]]:
    """What two steps log; the memory is updated as its hook does it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(torch.optim.SGD(parameters, lr=0.01, momentum=0.9))
    logs = []
    for batch in batches:
        logged = model.train_step(batch, wrapper)
        logs.append({name: value.detach().cpu() for name, value in logged.items()})
        if hasattr(model, 'update_memory'):
            model.update_memory()
    return logs


def on_cpu(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: on_cpu(value) for name, value in values.items()}
    return values.detach().cpu() if isinstance(values, Tensor) else values


def assert_equal(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('frozen', [False, True], ids=['trained', 'frozen'])
@pytest.mark.parametrize('name', TASKS)
def test_downstream(device: torch.device, name: str, frozen: bool) -> None:
    found = []
    for there in (torch.device('cpu'), device):
        model = build(TASKS[name], there, frozen)
        logs = train_steps(model, [batch_of(name, seed) for seed in (0, 4)])
        state = model.state_dict()
        assert {value.device for value in state.values()} == {there}
        assert model.data_preprocessor.device == there
        model.eval()
        batch = batch_of(name, 8)
        samples = model.val_step(batch)
        written = {'pred_pts_seg', 'pts_seg_logits'} if name == 'segmentor' else {'pred_score'}
        predictions = [{key: sample.get(key) for key in sorted(written)} for sample in samples]
        assert all(v.device == there for one in predictions for v in one.values())
        metric: Any = SegIoU(num_classes=3, frames='all', prefix='seg')
        evaluator = Evaluator(metric if name == 'segmentor' else VideoAccuracy(prefix='acc'))
        evaluator.process(data_samples=samples, data_batch=batch)
        metrics = evaluator.evaluate(len(samples))
        with torch.no_grad():
            logits = model(model.data_preprocessor(batch)['inputs'])
        for sample, row in zip(samples, logits, strict=True):
            wanted = row.argmax(1) if name == 'segmentor' else row.softmax(0)
            key = 'pred_pts_seg' if name == 'segmentor' else 'pred_score'
            torch.testing.assert_close(sample.get(key), wanted)
        found.append((logs, on_cpu(state), [on_cpu(one) for one in predictions], metrics))
    (*expected, metrics), (*got, device_metrics) = found
    assert_equal(got, expected)
    assert device_metrics == pytest.approx(metrics) and metrics
    assert float(expected[0][0]['loss']) != float(expected[0][1]['loss'])


def pretraining_batch(seed: int, features: int = 0, points: int = 32) -> dict[str, Any]:
    frames = 3 if features else 12
    inputs, samples = tiny_batch(
        4, frames, points, num_features=features, num_segments=3, seed=seed
    )
    clips = inputs['xyz']
    if inputs['features'] is not None:
        clips = torch.cat([clips, inputs['features'].transpose(-1, -2)], dim=-1)
    return dict(inputs=list(clips), data_samples=samples)


CLIP_HEAD = dict(
    type='ClipContrastHead',
    projector=_MODEL['projector'],
    predictor=_MODEL['predictor'],
    loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
)
PRETRAINING = {
    'bank and prototypes': {},
    'everything else': dict(
        contrast_head=dict(
            type='PointContrastHead',
            exclude_same_video=False,
            loss=dict(
                type='PointInfoNCELoss', temperature=0.1, anchor='target', weighting='softmax'),
        ),
        cluster_head=None,
        clip_head=CLIP_HEAD,
        stop_gradient_target=True,
    ),
    'no bank': dict(memory_bank=None),
    'scenes': dict(
        encoder=SCENE, projector=dict(_MODEL['projector'], in_channels=64), clip_head=None
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', PRETRAINING)
def test_pretraining(device: torch.device, case: str) -> None:
    """Losses, weights, and what the memory holds and where it says it is from."""
    config = {**_MODEL, **PRETRAINING[case]}
    options = dict(features=3, points=256) if case == 'scenes' else {}
    found = []
    for there in (torch.device('cpu'), device):
        model = build(config, there)
        logs = train_steps(model, [pretraining_batch(seed, **options) for seed in (0, 1)])
        state = model.state_dict()
        assert {value.device for value in state.values()} == {there}
        if model.memory_bank is not None:
            assert model.memory_bank.num_valid == 12
            assert model.memory_bank.valid_features().device == there
        model.eval()
        data = model.data_preprocessor(pretraining_batch(9, **options))
        with torch.no_grad():
            out = model(**data, mode='tensor')
            losses = model(**data, mode='loss')
        assert {value.device for value in [*out.values(), *losses.values()]} == {there}
        found.append((logs, on_cpu(state), on_cpu(out), on_cpu(losses)))
    assert_equal(found[1], found[0])
    if config['memory_bank'] is not None:
        assert float(found[0][0][1]['bank_fill']) == pytest.approx(6 / 32)


def test_bank_takes_entries_from_anywhere(device: torch.device) -> None:
    features, where = torch.randn(6, 4), (torch.arange(6), torch.arange(6) * 2, torch.rand(6, 3))
    banks = [
        MODELS.build(dict(type='MemoryBank', size=9, channels=4, enqueue_per_iter=5)).to(there)
        for there in ('cpu', device, device, device)
    ]
    on_device = tuple(part.to(device) for part in where)
    banks[0].enqueue(features, where)
    banks[1].enqueue(features, where)
    banks[2].enqueue(features.to(device), where)
    banks[3].enqueue(features, on_device)
    for bank in banks[1:]:
        assert bank.num_valid == 5 and bank.valid_features().device == device
        assert all(part.device == device for part in bank.provenance)
        torch.testing.assert_close(on_cpu(bank.state_dict()), dict(banks[0].state_dict()))


LAYERS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    'PSTConv': (PSTConv, dict(temporal_padding=(1, 1))),
    'PSTConv, replicate, max': (
        PSTConv, dict(temporal_padding=(1, 1), padding_mode='replicate', pooling='max')),
    'PSTConv, addition, avg': (
        PSTConv, dict(temporal_padding=(1, 1), aggregation='addition', pooling='avg')),
    'PSTConv, prefix, joint': (
        PSTConv, dict(prefix_sampling=True, bn_statistics='joint', tie_order='published')),
    'P4DConv': (P4DConv, dict(temporal_padding=(1, 1))),
    'P4DConv, zeros, multiplication': (P4DConv, dict(
        temporal_padding=(1, 1), padding_mode='zeros', aggregation='multiplication',
        temporal_pooling='max')),
    'P4DConv, sum, joint': (P4DConv, dict(spatial_pooling='sum', bn_statistics='joint')),
    'P4DConv, plain': (P4DConv, dict(norm=False, activation=False, spatial_pooling='avg')),
}  # fmt: skip


def layer_of(name: str) -> nn.Module:
    kind, options = LAYERS[name]
    widths = dict(mid_channels=6, out_channels=8) if kind is PSTConv else dict(mlp_channels=[6, 8])
    query = dict(radius=0.4, num_neighbors=5, temporal_kernel_size=3, spatial_stride=2)
    return kind(in_channels=4, **widths, **query, **options)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('name', LAYERS)
def test_convolutions(device: torch.device, name: str, training: bool) -> None:
    xyz, features = torch.rand(2, 3, 20, 3), torch.randn(2, 3, 4, 20)
    found = []
    for there in (torch.device('cpu'), device):
        torch.manual_seed(1)
        layer = layer_of(name).to(there).train(training)
        given = features.to(there, copy=True).requires_grad_()
        centers, out = layer(xyz.to(there), given)
        assert centers.device == out.device == there
        out.square().mean().backward()
        gradients = {key: p.grad for key, p in layer.named_parameters()}
        found.append(on_cpu(dict(gradients, out=out, xyz=centers, features=given.grad)))
        found[-1].update(on_cpu(layer.state_dict(prefix='state.')))
    assert_equal(found[1], found[0])


@pytest.mark.parametrize('kind', [P4DTransConv, PSTConvTranspose])
def test_transposed_convolutions(device: torch.device, kind: type[nn.Module]) -> None:
    frames = 3 if kind is P4DTransConv else 2
    xyz, target = torch.rand(2, frames, 6, 3), torch.rand(2, 3, 15, 3)
    features, skip = torch.randn(2, frames, 4, 6), torch.randn(2, 3, 2, 15)
    found = []
    for there in (torch.device('cpu'), device):
        torch.manual_seed(1)
        if kind is P4DTransConv:
            layer: nn.Module = P4DTransConv(4, [6, 8], skip_channels=2)
        else:
            layer = PSTConvTranspose(
                4, 6, 8, temporal_kernel_size=3, temporal_stride=2, temporal_padding=(1, 1),
                skip_channels=2,
            )  # fmt: skip
        layer.to(there)
        out = layer(*(x.to(there) for x in (xyz, target, features, skip)))
        out.square().mean().backward()
        gradients = {key: p.grad for key, p in layer.named_parameters()}
        found.append(on_cpu(dict(gradients, out=out)))
    assert_equal(found[1], found[0])


def test_batches_are_moved(device: torch.device) -> None:
    """Clips, labels and masks; a data sample says so and comes back."""
    preprocessor = MODELS.build(dict(type='PointVideoDataPreprocessor', non_blocking=True))
    preprocessor.to(device)
    batch = batch_of('segmentor', 0)
    data = preprocessor(batch)
    sample = data['data_samples'][0]
    assert isinstance(sample, PointVideoDataSample)
    for value in (*data['inputs'].values(), sample.gt_pts_seg, sample.gt_label, sample.loss_mask):
        assert value.device == device
    torch.testing.assert_close(data['inputs']['xyz'][1].cpu(), batch['inputs'][1][..., :3])
    assert sample.cpu().gt_pts_seg.device.type == 'cpu'
    assert (sample.numpy().gt_pts_seg == batch['data_samples'][0].gt_pts_seg.numpy()).all()
    broken = [clip.clone() for clip in batch['inputs']]
    broken[1][0, 5, 0] = float('nan')
    with pytest.raises(ValueError, match='NaN or infinite values in video video001'):
        preprocessor(dict(batch, inputs=[clip.to(device) for clip in broken]))


@pytest.mark.parametrize('name', ['p4transformer', 'segmentor'])
def test_labels_of_the_cpu(device: torch.device, name: str) -> None:
    """A head takes them, where nothing moved them."""
    model = build(TASKS[name], device)
    batch = batch_of(name, 0)
    data = model.data_preprocessor(batch)
    losses = [
        model(data['inputs'], samples, 'loss')['loss']
        for samples in (data['data_samples'], batch['data_samples'])
    ]
    torch.testing.assert_close(*losses)


def test_labels_out_of_range(device: torch.device) -> None:
    """Found before a kernel on the device would."""
    model = build(TASKS['p4transformer'], device)
    batch = batch_of('p4transformer', 0)
    batch['data_samples'][2].gt_label = 9
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.3'):
        model(**model.data_preprocessor(batch), mode='loss')
    model = build(TASKS['segmentor'], device)
    batch = batch_of('segmentor', 0)
    batch['data_samples'][1].gt_pts_seg[0, 20:] = 7
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.2 or ignore_index=255'):
        model(**model.data_preprocessor(batch), mode='loss')
