"""Runs that are killed, told to stop, or go wrong, and what the next start makes of them."""

from __future__ import annotations

import functools
import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpointvideo.datasets import (
    DefaultSampler,
    MSRAction3DDataset,
    PointVideoStoreError,
    SampleIndex,
    sample_randomness,
)
from mmpointvideo.engine import prepare_launch
from mmpointvideo.testing import write_tiny_dataset
from mmpointvideo.testing.interruption import (
    Kill,
    LossRecorder,
    differences,
    last_checkpoint,
    recorded_losses,
    train,
    train_in_process,
)
from mmpointvideo.testing.runs import tiny_pretraining

from .ranks import start_ranks

EVERY_ITERATION = dict(type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=2)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data')
    write_tiny_dataset(root, num_classes=2, subjects=(1, 2, 3, 4), num_frames=(14, 12))
    return root


@pytest.fixture(scope='module')
def whole(data_root: Path, tmp_path_factory) -> Path:
    """A run that nobody disturbed: 12 iterations, a checkpoint every second one."""
    folder = tmp_path_factory.mktemp('whole')
    assert train_in_process(config(folder, data_root)) == 0
    return folder


def config(work_dir: Path, data_root: Path, workers: int = 0, **changes) -> Config:
    cfg = tiny_pretraining(work_dir, data_root, **changes)
    cfg.default_hooks.checkpoint = dict(EVERY_ITERATION, interval=2)
    cfg.train_dataloader.num_workers = workers
    cfg.resume = True
    return cfg


@pytest.mark.parametrize(
    ('kill', 'workers'),
    [
        (Kill('after', 7), 2),
        (Kill('fsync', 5), 0),  # in the middle of writing iter_6.pth
        (Kill('replace', 7), 2),  # iter_8.pth has its name, last_checkpoint still says 6
    ],
    ids=str,
)
def test_a_killed_run_ends_as_the_undisturbed_one(
    whole: Path, data_root: Path, tmp_path: Path, kill: Kill, workers: int
) -> None:
    """SIGKILL, bit for bit; with worker processes too, though the other run had none."""
    cfg = config(tmp_path, data_root, workers)
    assert train_in_process(cfg, kill) == -signal.SIGKILL
    assert train_in_process(config(tmp_path, data_root, 2 - workers)) == 0
    assert differences(whole, tmp_path) == []
    checkpoints = sorted(path.name for path in tmp_path.glob('*.pth'))
    assert checkpoints == ['iter_10.pth', 'iter_12.pth']


def test_differences_are_seen(whole: Path, whole_on_two: Path) -> None:
    """Rounding is found out, so that 'no differences' means something."""
    found = '\n'.join(differences(whole, whole_on_two))
    for what in ('iteration 1:', 'encoder.conv1', 'memory_bank.features', 'optimizer.state'):
        assert what in found


def test_sigterm_saves_and_leaves(whole: Path, data_root: Path, tmp_path: Path) -> None:
    cfg = config(tmp_path, data_root, 1)
    cfg.default_hooks.checkpoint.interval = 100
    assert train_in_process(cfg, Kill('before', 6, signal.SIGTERM)) == 0
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'interrupted.pth')
    assert last_checkpoint(tmp_path)['meta']['iter'] == 6
    assert len(recorded_losses(tmp_path)) == 6
    assert train_in_process(config(tmp_path, data_root)) == 0
    assert differences(whole, tmp_path) == []
    batches = [row['batch'] for row in recorded_losses(tmp_path).values()]
    assert batches == [0, 1, 2, 3] * 3  # no batch of the second epoch came twice
    assert not (tmp_path / 'interrupted.pth').exists()


def train_rank(work_dir: Path, data_root: Path, kill: Kill | None, rank: int, world: int) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world))
    cfg = config(work_dir, data_root, 1, train_dataloader__batch_size=4 // world)
    cfg.sync_bn = 'torch'
    train(prepare_launch(cfg, 'pytorch'), kill)


def train_two(work_dir: Path, data_root: Path, kill: Kill | None, logs: Path) -> list[int | None]:
    function = functools.partial(train_rank, work_dir, data_root, kill)
    return start_ranks(function, 2, logs)[0]


@pytest.fixture(scope='module')
def whole_on_two(data_root: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('whole_on_two')
    assert train_two(folder / 'run', data_root, None, folder / 'logs') == [0, 0]
    return folder / 'run'


@pytest.mark.parametrize('how', [signal.SIGTERM])  # SIGKILL works as well, in 10 s of CPU
def test_two_processes_resume_exactly(
    whole: Path, whole_on_two: Path, data_root: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """Killed and told to stop; and their bank holds what that of one process does."""
    if how == signal.SIGTERM:
        stopped, codes = Kill('before', 6, how), [0, 0]
    else:
        stopped, codes = Kill('after', 7, how), [-how, -how]
    assert train_two(tmp_path / 'run', data_root, stopped, tmp_path / 'first') == codes
    assert train_two(tmp_path / 'run', data_root, None, tmp_path / 'second') == [0, 0]
    assert differences(whole_on_two, tmp_path / 'run') == []
    one = last_checkpoint(whole)['state_dict']
    two = last_checkpoint(tmp_path / 'run')['state_dict']
    for name in ('video', 'frame', 'pointer', 'filled'):
        assert torch.equal(one[f'memory_bank.{name}'], two[f'memory_bank.{name}'])
    torch.testing.assert_close(
        one['memory_bank.features'], two['memory_bank.features'], rtol=0, atol=0.05
    )


def test_the_position_holds_for_another_number_of_processes(monkeypatch) -> None:
    """8 of 16 samples done on one process: two processes go on with the other 8."""
    one = DefaultSampler(range(16), seed=3)
    one.set_batches(4, True)
    order = list(one)
    rest = []
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        sampler = DefaultSampler(range(16), seed=3)
        sampler.set_batches(2, True)
        sampler.set_start(8)
        rest.append(list(sampler))
        assert len(list(sampler)) == 8  # the next epoch is whole again
        with pytest.raises(ValueError, match='stopped after 6 of the 16 samples'):
            sampler.set_start(6)
    assert rest[0][:2] + rest[1][:2] + rest[0][2:] + rest[1][2:] == order[8:]


def test_augmentation_belongs_to_seed_epoch_and_sample(data_root: Path) -> None:
    """Not to workers, to the samples before it, or to the global state; wrappers keep it."""
    cfg = tiny_pretraining('unused', data_root).train_dataloader.dataset
    cfg.pop('type')
    dataset = MSRAction3DDataset(**cfg)

    def points(source, index: int, epoch: int, position: int | None = None) -> torch.Tensor:
        return source[SampleIndex(index if position is None else position, (0, epoch, index))][
            'inputs'
        ]

    first = points(dataset, 5, 0)
    np.random.seed(99)
    torch.manual_seed(99)
    state = np.random.get_state()[1].copy()
    points(dataset, 2, 0)
    assert torch.equal(points(dataset, 5, 0), first)
    assert np.array_equal(np.random.get_state()[1], state)
    assert not torch.equal(points(dataset, 5, 1), first)
    pickled = pickle.loads(pickle.dumps(SampleIndex(5, (0, 0, 5))))
    assert torch.equal(dataset[pickled]['inputs'], first)
    repeated = RepeatDataset(dataset, 3)
    assert torch.equal(points(repeated, 5, 0, position=16 + 5), first)
    joined = ConcatDataset([dataset, dataset])
    assert torch.equal(points(joined, 5, 0, position=16 + 5), first)
    assert not torch.equal(repeated[SampleIndex(21, (0, 0, 21))]['inputs'], first)


def test_all_generators_are_put_back() -> None:
    import random

    before = random.getstate(), torch.get_rng_state()
    with sample_randomness(SampleIndex(1, (7, 0, 1))):
        drawn = random.random(), np.random.rand(), float(torch.rand(()))
    with sample_randomness(SampleIndex(1, (7, 0, 1))):
        assert drawn == (random.random(), np.random.rand(), float(torch.rand(())))
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


class Poison(Hook):
    """Makes a model go wrong at an iteration."""

    priority = 'HIGHEST'

    def __init__(self, iteration: int, where: str) -> None:
        self.iteration, self.where = iteration, where

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter + 1 == self.iteration and self.where == 'weight':
            runner.model.projector.out.weight.data[0, 0] = torch.nan

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.iteration and self.where in ('after', 'buffer'):
            layer = runner.model.encoder.conv1
            value = (
                layer.displacement_proj.weight if self.where == 'after' else layer.norm.running_var
            )
            value.data.view(-1)[0] = torch.inf


def poisoned(work_dir: Path, data_root: Path, where: str) -> Runner:
    cfg = config(work_dir, data_root)
    cfg.default_hooks.checkpoint.interval = 1
    runner = Runner.from_cfg(cfg)
    runner.register_hook(LossRecorder())
    runner.register_hook(Poison(4, where))
    return runner


def test_a_nan_loss_names_the_videos_and_saves_nothing(data_root: Path, tmp_path: Path) -> None:
    runner = poisoned(tmp_path, data_root, 'weight')
    with pytest.raises(FloatingPointError) as caught:
        runner.train()
    text = str(caught.value)
    assert 'rank 0, iteration 4 (epoch 1, batch 3)' in text
    assert "'loss_contrast': nan" in text
    assert text.count('clip start') == 4
    assert 'a0' in text and '_s0' in text
    assert last_checkpoint(tmp_path)['meta']['iter'] == 3
    assert bool(runner.model.memory_bank.features.isfinite().all())
    assert int(runner.model.memory_bank.num_updates) == 3


@pytest.mark.parametrize(
    ('where', 'said'),
    [
        ('after', r'iteration 4 .*encoder\.conv1\.displacement_proj.*clip start'),
        ('buffer', r'iteration 4: .*encoder\.conv1\.norm\.running_var.*not written'),
    ],
)
def test_infinite_weights_and_statistics_are_not_saved(
    data_root: Path, tmp_path: Path, where: str, said: str
) -> None:
    with pytest.raises(FloatingPointError, match=said):
        poisoned(tmp_path, data_root, where).train()
    assert last_checkpoint(tmp_path)['meta']['iter'] == 3
    assert sorted(p.name for p in tmp_path.glob('*.pth')) == ['iter_2.pth', 'iter_3.pth']


def test_a_full_disk_loses_nothing(whole: Path, data_root: Path, tmp_path: Path) -> None:
    """The fifth file written atomically (iter_6.pth) finds no space."""
    assert train_in_process(config(tmp_path, data_root), Kill('fsync', 5, None)) == 1
    assert last_checkpoint(tmp_path)['meta']['iter'] == 4
    assert [p.name for p in sorted(tmp_path.glob('*.pth'))] == ['iter_2.pth', 'iter_4.pth']
    assert not list(tmp_path.glob('.*.tmp'))
    assert train_in_process(config(tmp_path, data_root)) == 0
    assert differences(whole, tmp_path) == []


@pytest.mark.parametrize('workers', [1])
def test_a_corrupt_video_is_named(
    whole: Path, data_root: Path, tmp_path: Path, workers: int
) -> None:
    """The run ends at the video; once it is repaired, the run ends as the undisturbed one."""
    copied = tmp_path / 'data'
    write_tiny_dataset(copied, num_classes=2, subjects=(1, 2, 3, 4), num_frames=(14, 12))
    video = copied / 'videos' / 'a02_s03_e01.pvs'
    good = video.read_bytes()
    video.write_bytes(good[:2000] + bytes([good[2000] ^ 1]) + good[2001:])
    work_dir = tmp_path / 'run'
    cfg = config(work_dir, copied, workers)
    cfg.default_hooks.checkpoint.interval = 1
    kind = PointVideoStoreError if workers == 0 else Exception
    with pytest.raises(kind, match=r'a02_s03_e01\.pvs, frame \d+: damaged \(checksum\)'):
        train(cfg)
    done = len(recorded_losses(work_dir)) if (work_dir / 'losses.jsonl').exists() else 0
    if done:
        assert last_checkpoint(work_dir)['meta']['iter'] == done
    video.write_bytes(good)
    assert train_in_process(config(work_dir, copied, workers)) == 0
    assert differences(whole, work_dir) == []


def test_a_checkpoint_between_steps_of_the_optimiser_is_warned_of(
    data_root: Path, tmp_path: Path, monkeypatch
) -> None:
    cfg = config(
        tmp_path,
        data_root,
        optim_wrapper__accumulative_counts=2,
        default_hooks__checkpoint__interval=1,
    )
    cfg.default_hooks.checkpoint.interval = 3
    runner = Runner.from_cfg(cfg)
    warnings: list[str] = []
    monkeypatch.setattr(runner.logger, 'warning', lambda text, *args: warnings.append(text))
    runner.train()
    assert sum('gradient accumulation' in text for text in warnings) == 2  # at 3 and 9 of 12


def test_an_epoch_without_a_batch_is_an_error(data_root: Path, tmp_path: Path) -> None:
    cfg = config(tmp_path, data_root, train_dataloader__batch_size=17)
    with pytest.raises(ValueError, match='16 samples do not fill one batch of 17'):
        Runner.from_cfg(cfg).train()


def test_a_run_killed_in_validation_validates_again(tmp_path: Path) -> None:
    """Its results must not lack the epoch."""
    import json

    from .test_runs import make_config

    class Killed(Hook):
        def before_val_epoch(self, runner) -> None:
            if runner.epoch == 2:
                raise KeyboardInterrupt

    Runner.from_cfg(make_config(tmp_path / 'whole')).train()
    runner = Runner.from_cfg(make_config(tmp_path / 'killed'))
    runner.register_hook(Killed())
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    Runner.from_cfg(make_config(tmp_path / 'killed', resume=True)).train()
    whole, killed = (
        json.loads((tmp_path / name / 'results.json').read_text()) for name in ('whole', 'killed')
    )
    assert killed == whole
    assert [row['epoch'] for row in killed['history']] == [1, 2, 3, 4]
