"""1, 2 and 4 processes do the same with the same global batch."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from torch import nn
from torch.utils.data import DataLoader

from mmpointvideo.datasets.samplers import DefaultSampler
from mmpointvideo.engine.hooks import CalibrateBatchNormHook, TerminationHook
from mmpointvideo.evaluation import SegIoU, VideoAccuracy
from mmpointvideo.models.layers.sync_batch_norm import SyncFrameBatchNorm, convert_sync_batch_norm
from mmpointvideo.models.wrapper import SyncBNDistributedDataParallel
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_batch
from mmpointvideo.testing.runs import _MODEL
from mmpointvideo.utils.dist import gather_rows, reduce_sum

from .ranks import on_ranks, start_ranks

CLIPS, STEPS = 4, 3
_CLIP_HEAD = dict(
    type='ClipContrastHead',
    projector=dict(type='MLPProjector', in_channels=128, hidden_channels=32, out_channels=16),
    predictor=dict(type='MLPProjector', in_channels=16, hidden_channels=32, out_channels=16),
    loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
)


def build_model() -> nn.Module:
    """PointCPSC with weights and BN statistics that every process makes alike."""
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(dict(_MODEL, clip_head=_CLIP_HEAD)))
    model.train()
    with torch.no_grad():
        for _ in range(3):  # statistics for the frozen norms
            inputs, _ = tiny_batch(CLIPS, 12, 32, num_segments=3, seed=50)
            model(inputs, mode='tensor')
    return model


def freeze_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()


def pretrain(bn: str, rank: int, world: int) -> dict:
    """Some steps on this rank's part of the batches; gradients, weights and banks of each."""
    model = build_model()
    wrapped = model
    if world > 1:
        kind = SyncBNDistributedDataParallel if bn == 'sync' else MMDistributedDataParallel
        wrapped = kind(module=model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)  # rounding does not grow
    wrapped.train()
    if bn == 'frozen':
        freeze_norms(model)
    out: dict = dict(gradients=[], banks=[], losses=[])
    share = CLIPS // world
    mine = slice(rank * share, (rank + 1) * share)
    for step in range(STEPS):
        inputs, samples = tiny_batch(CLIPS, 12, 32, num_segments=3, seed=10 * step)
        inputs['xyz'] = inputs['xyz'][mine]
        losses = wrapped(inputs, samples[mine], mode='loss')
        loss = sum(value for name, value in losses.items() if name.startswith('loss'))
        optimizer.zero_grad()
        loss.backward()
        out['gradients'].append({n: p.grad.clone() for n, p in model.encoder.named_parameters()})
        optimizer.step()
        model.update_memory()
        out['banks'].append(copy.deepcopy(model.memory_bank.state_dict()))
        out['losses'].append(float(reduce_sum(loss.detach()) / world))
    out['buffers'] = {n: b.clone() for n, b in model.named_buffers() if 'running' in n}
    return out


class Clips(torch.utils.data.Dataset):
    """13 samples with predictions of their own."""

    def __len__(self) -> int:
        return 13

    def __getitem__(self, index: int) -> PointVideoDataSample:
        generator = torch.Generator().manual_seed(int(index))
        info = dict(video_id=f'v{index // 2}', sample_idx=int(index))
        sample = PointVideoDataSample(metainfo=info, gt_label=index // 2 % 3)
        sample.pred_score = torch.rand(3, generator=generator).softmax(0)
        sample.gt_pts_seg = torch.randint(0, 3, (2, 20), generator=generator)
        sample.pred_pts_seg = torch.randint(0, 3, (2, 20), generator=generator)
        return sample


def evaluate(rank: int, world: int) -> dict:
    """Metrics over shards of different sizes: 13 samples on 2 or 4 processes."""
    clips = Clips()
    evaluator = Evaluator([VideoAccuracy(), SegIoU(num_classes=3)])
    loader = DataLoader(clips, 2, sampler=DefaultSampler(clips, shuffle=False), collate_fn=list)
    for batch in loader:
        evaluator.process(batch)
    return evaluator.evaluate(len(clips))


def validate(rank: int, world: int) -> dict:
    """A validation as a run does it, with another number of batches on every process."""
    clips = Clips()
    sampler = DefaultSampler(clips, shuffle=False, round_up=False)
    loader = DataLoader(clips, 1, sampler=sampler, collate_fn=list)
    hook, evaluator = TerminationHook(), Evaluator([VideoAccuracy()])
    hook._installed = True
    runner = SimpleNamespace(epoch=0, iter=0)
    hook.before_val_epoch(runner)
    for index, batch in enumerate(loader):
        evaluator.process(batch)
        hook.after_val_iter(runner, index)
    return evaluator.evaluate(len(clips))


def calibrate(rank: int, world: int) -> dict:
    """Batch norm statistics of a random encoder that every process measures on its own batches."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='PointVideoRecognizer',
            encoder=dict(type='PSTNetEncoder', width=1 / 16, padding_mode='replicate'),
            head=dict(type='ActionClsHead', in_channels=128, num_classes=4),
        )
    )
    share = CLIPS // world
    batches = []
    for seed in range(2):
        inputs, samples = tiny_batch(CLIPS, 12, 32, seed=seed)
        mine = slice(rank * share, (rank + 1) * share)
        batches.append(dict(inputs=list(inputs['xyz'][mine]), data_samples=samples[mine]))
    logger = MMLogger.get_current_instance()
    CalibrateBatchNormHook(num_batches=2).before_train(
        SimpleNamespace(iter=0, model=model, train_dataloader=batches, logger=logger)
    )
    return {name: b for name, b in model.encoder.named_buffers() if 'running' in name}


def gather(rank: int, world: int) -> dict:
    """Gradients through the collectives, with another number of rows on every rank."""
    rows = torch.arange(8 * 3.0).view(8, 3)
    bounds = [0, 1, 3, 3, 8] if world == 4 else [0, 3, 8]
    mine = rows[bounds[rank] : bounds[rank + 1]].clone().requires_grad_()
    everything, offset = gather_rows(mine)
    weight = torch.linspace(-1, 2, 24).view(8, 3)
    # every rank's loss reads all rows; their sum is `world` times the one loss
    beside = torch.zeros(
        8, 3, requires_grad=True
    )  # is handed the same gradient, of this rank alone
    ((everything + 1.0 * beside).square() * weight).sum().backward()
    return dict(
        rows=everything.detach(),
        offset=offset,
        gradient=mine.grad,
        beside=beside.grad,
        bounds=bounds,
    )


def narrow(rank: int, world: int) -> dict:
    """Synchronised BN over many bfloat16 rows far from zero."""
    rows = (torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) + 20).bfloat16()
    norm = convert_sync_batch_norm(nn.Sequential(nn.BatchNorm1d(3)))
    out = norm(rows.view(world, -1, 3)[rank])
    return dict(out=out, rows=rows, buffers=dict(norm.named_buffers()))


def everything(rank: int, world: int) -> dict:
    return dict(
        frozen=pretrain('frozen', rank, world),
        sync=pretrain('sync', rank, world),
        metrics=evaluate(rank, world),
        validated=validate(rank, world),
        calibrated=calibrate(rank, world),
        gathered=gather(rank, world) if world > 1 else None,
        rows=sync_rows(rank, world),
        narrow=narrow(rank, world),
    )


def sync_rows(rank: int, world: int) -> dict:
    """A P4DConv, whose norms weight the rows of tubes, and BN over plain rows."""
    from mmpointvideo.models.layers import P4DConv

    torch.manual_seed(1)
    layer = nn.ModuleDict(
        dict(conv=P4DConv(4, [8, 12], 0.5, 6, 3, 2, 1, (1, 1)), norm=nn.BatchNorm1d(12))
    ).double()
    if world > 1:
        layer = convert_sync_batch_norm(layer)
        assert isinstance(layer['norm'], SyncFrameBatchNorm)
    share = CLIPS // world
    mine = slice(rank * share, (rank + 1) * share)
    xyz = torch.rand(CLIPS, 3, 24, 3).double()[mine]
    features = torch.rand(CLIPS, 3, 4, 24).double()[mine].requires_grad_()
    _, out = layer['conv'](xyz, features)
    out = layer['norm'](out.transpose(2, 3).flatten(0, 2))
    target = torch.linspace(-1, 1, CLIPS * len(out) // share * 12).view(CLIPS, -1, 12)[mine]
    (out.view(share, -1, 12) * target).pow(3).sum().backward()
    gradients = {}
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        gradients[name] = reduce_sum(parameter.grad)
    return dict(features=features.grad, gradients=gradients, buffers=dict(layer.named_buffers()))


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> dict[int, list[dict]]:
    folder = tmp_path_factory.mktemp('ranks')
    return {world: on_ranks(everything, world, folder / str(world)) for world in (1, 2, 4)}


def largest_difference(one: dict, two: dict) -> float:
    """Of all tensors, relative to each tensor's largest value."""
    assert one.keys() == two.keys()
    return max(
        float((one[n] - two[n]).abs().max() / one[n].abs().max().clamp(min=1e-3)) for n in one
    )


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize('bn', ['frozen', 'sync'])
def test_gradients_of_the_global_batch(results: dict, bn: str, world: int) -> None:
    one = results[1][0][bn]
    for rank in results[world]:
        for step in range(STEPS):
            got = largest_difference(one['gradients'][step], rank[bn]['gradients'][step])
            # later steps start from weights that differ by rounding already
            assert got < (1e-5 if step == 0 else 1e-4), (step, got)
        torch.testing.assert_close(rank[bn]['losses'], one['losses'], rtol=1e-5, atol=1e-6)
        if bn == 'sync':
            assert largest_difference(one['buffers'], rank[bn]['buffers']) < 1e-5


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize('bn', ['frozen', 'sync'])
def test_one_memory_bank(results: dict, bn: str, world: int) -> None:
    for step, one in enumerate(results[1][0][bn]['banks']):
        first = results[world][0][bn]['banks'][step]
        for rank in results[world]:  # identical, bit for bit, at every step
            for name, value in rank[bn]['banks'][step].items():
                assert torch.equal(value, first[name]), (step, name)
        for name in ('video', 'frame', 'pointer', 'filled', 'num_updates'):
            assert torch.equal(first[name], one[name]), (step, name)
        torch.testing.assert_close(first['features'], one['features'], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('world', [2, 4])
def test_metrics_with_uneven_shards(results: dict, world: int) -> None:
    for rank in results[world]:
        assert rank['metrics'] == results[1][0]['metrics']
        for name, value in rank['validated'].items():
            assert value == results[1][0]['metrics'][name]


@pytest.mark.parametrize('world', [2, 4])
def test_calibrated_statistics_are_the_mean_of_all_processes(results: dict, world: int) -> None:
    one, first = results[1][0]['calibrated'], results[world][0]['calibrated']
    for rank in results[world][1:]:
        assert all(torch.equal(value, rank['calibrated'][name]) for name, value in first.items())
    # those of the first layer are of the data alone, in equal parts
    mean = next(name for name in one if name.endswith('running_mean'))
    torch.testing.assert_close(first[mean], one[mean], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('world', [2, 4])
def test_collectives_carry_gradients(results: dict, world: int) -> None:
    rows = torch.arange(24.0).view(8, 3)
    gradient = world * 2 * rows * torch.linspace(-1, 2, 24).view(8, 3)
    for number, rank in enumerate(results[world]):
        got = rank['gathered']
        start, end = got['bounds'][number : number + 2]
        assert got['offset'] == start
        torch.testing.assert_close(got['rows'], rows)
        torch.testing.assert_close(got['gradient'], gradient[start:end])
        torch.testing.assert_close(got['beside'], gradient / world)


@pytest.mark.parametrize('world', [1, 2, 4])
def test_half_precision_is_summed_in_float32(results: dict, world: int) -> None:
    rows = results[1][0]['narrow']['rows'].double()
    wanted = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    out = torch.cat([rank['narrow']['out'] for rank in results[world]])
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), wanted, rtol=1e-2, atol=1e-2)
    for rank in results[world]:
        buffers = rank['narrow']['buffers']
        torch.testing.assert_close(
            buffers['0.running_mean'].double(), 0.1 * rows.mean(0), rtol=1e-4, atol=0
        )
        torch.testing.assert_close(
            buffers['0.running_var'].double(), 0.9 + 0.1 * rows.var(0), rtol=1e-4, atol=0
        )


@pytest.mark.parametrize('world', [2, 4])
def test_norms_over_rows_of_tubes(results: dict, world: int) -> None:
    one = results[1][0]['rows']
    parts = torch.cat([rank['rows']['features'] for rank in results[world]])
    assert largest_difference({'x': one['features']}, {'x': parts}) < 1e-9
    for rank in results[world]:
        assert largest_difference(one['gradients'], rank['rows']['gradients']) < 1e-9
        assert largest_difference(one['buffers'], rank['rows']['buffers']) < 1e-9


def order_of(rank: int, world: int, batch: int, drop_last: bool, monkeypatch) -> list[list[int]]:
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world))
    sampler = DefaultSampler(range(30), seed=5)
    sampler.set_batches(batch, drop_last)
    sampler.set_epoch(3)
    found = list(sampler)
    assert len(found) == len(sampler)
    assert all(index.seed == (5, 3, index) for index in found)
    return [found[i : i + batch] for i in range(0, len(found), batch)]


@pytest.mark.parametrize('drop_last', [True, False])
@pytest.mark.parametrize('world', [1, 2, 4])
def test_the_batches_of_all_processes_are_those_of_one(
    world: int, drop_last: bool, monkeypatch
) -> None:
    whole = order_of(0, 1, 8, drop_last, monkeypatch)
    parts = [order_of(rank, world, 8 // world, drop_last, monkeypatch) for rank in range(world)]
    joined = [sum(batches, []) for batches in zip(*parts, strict=True)]
    assert joined[:3] == whole[:3]
    assert len(joined) == len(whole) == (3 if drop_last else 4)
    if not drop_last:
        assert set(joined[3]) >= set(whole[3])


def hang(rank: int, world: int) -> None:
    from types import SimpleNamespace

    from mmpointvideo.engine.hooks import RankMonitorHook

    monitor = RankMonitorHook(timeout=2)
    runner = SimpleNamespace(iter=16)
    monitor.before_run(runner)
    monitor.before_train_iter(runner, 0)
    if rank == 1:
        stuck_file_system()
    dist.all_reduce(torch.ones(1))


def stuck_file_system() -> None:
    import time

    time.sleep(600)


def test_a_rank_that_hangs_is_named(tmp_path: Path) -> None:
    codes, logs = start_ranks(hang, 2, tmp_path, timeout=60)
    assert 0 not in codes
    # the first that gives up tells; the other may find its connection closed before it does
    told = [log for log in logs if 'no progress for 2 s; rank 1 holds up the job' in log]
    assert told
    for log in told:
        assert 'training iteration 17' in log
        assert 'stuck_file_system' in log
        assert 'waiting for the others' in log.split('rank 1:')[0] or log is logs[1]


def freeze(rank: int, world: int) -> None:
    import os
    import signal
    from types import SimpleNamespace

    from mmpointvideo.engine.hooks import RankMonitorHook

    monitor = RankMonitorHook(timeout=10)
    monitor.before_run(SimpleNamespace())
    dist.barrier()
    monitor._progress('here')
    if rank == 1:
        import time

        time.sleep(2)
        os.kill(os.getpid(), signal.SIGSTOP)
    dist.all_reduce(torch.ones(1))


def test_a_frozen_rank_is_named(tmp_path: Path) -> None:
    codes, logs = start_ranks(freeze, 2, tmp_path, timeout=60)
    assert codes == [1, None]
    assert 'rank 1 holds up the job' in logs[0]
    assert 'stopped or dead' in logs[0]
