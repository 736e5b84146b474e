"""Whole runs on a device: every hook, checkpoints, resuming, and what follows pre-training."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import mmengine.runner.runner
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmpointvideo.checkpoints.safe_loading import load_from_local
from mmpointvideo.testing import write_tiny_dataset
from mmpointvideo.testing.interruption import LossRecorder, recorded_losses
from mmpointvideo.testing.runs import tiny_pretraining

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('data')
    write_tiny_dataset(root, num_classes=2, subjects=(1, 2, 6), num_frames=(12,))
    return root


def train(cfg: Config, there: torch.device, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(mmengine.runner.runner, 'get_device', lambda: str(there))
    runner = Runner.from_cfg(cfg)
    runner.register_hook(LossRecorder())
    runner.train()
    state: dict[str, torch.Tensor] = runner.model.state_dict()
    assert {value.device for value in state.values()} == {there}
    return runner


def pretraining(work_dir: Path, data_root: Path, epochs: int) -> Config:
    cfg = tiny_pretraining(work_dir, data_root, train_dataloader__batch_size=2)
    cfg.train_cfg.max_epochs = epochs
    cfg.optim_wrapper.update(
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9), clip_grad=dict(max_norm=1.0)
    )
    cfg.custom_hooks.append(dict(type='VisualizationHook', num_clips=1, num_frames=2))
    cfg.resume = True
    return cfg


def losses(work_dir: Path) -> list[float]:
    return [float.fromhex(row['loss']) for row in recorded_losses(work_dir).values()]


def test_pretraining_resumes(
    device: torch.device, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory bank, the optimiser's state and the losses of the second half of a run."""
    whole = train(pretraining(tmp_path / 'cpu', data_root, 2), CPU, monkeypatch)
    train(pretraining(tmp_path / 'device', data_root, 1), device, monkeypatch)
    file = tmp_path / 'device' / 'epoch_1.pth'
    saved = load_from_local(str(file))  # MMEngine saves tensors of the CPU
    assert all(type(value) is torch.Tensor for value in saved['state_dict'].values())
    assert int(saved['state_dict']['memory_bank.num_updates']) == 2
    resumed = train(pretraining(tmp_path / 'device', data_root, 2), device, monkeypatch)

    momentum = resumed.optim_wrapper.state_dict()['state'][0]['momentum_buffer']
    assert momentum.device == device
    assert len(losses(tmp_path / 'device')) == 4
    assert losses(tmp_path / 'device') == pytest.approx(losses(tmp_path / 'cpu'), rel=1e-4)
    bank = resumed.model.memory_bank
    assert bank.num_valid == 16 and bank.features.device == device
    for name, expected in whole.model.memory_bank.state_dict().items():
        found = bank.state_dict()[name].cpu()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert list((tmp_path / 'device').rglob('train_prototypes*.png'))


def probe(work_dir: Path, data_root: Path) -> Config:
    """A linear probe of a random encoder whose statistics are measured before."""
    cfg = tiny_pretraining(work_dir, data_root, train_dataloader__batch_size=2)
    cfg.model = dict(
        type='PointVideoRecognizer',
        encoder=cfg.model.encoder,
        head=dict(type='ActionClsHead', in_channels=128, num_classes=2),
        frozen_encoder=True,
    )
    cfg.train_cfg.max_epochs = 1
    cfg.train_dataloader.dataset.pipeline = [
        step for step in cfg.train_dataloader.dataset.pipeline if step.type != 'SplitSegments'
    ]
    loader = copy.deepcopy(cfg.train_dataloader)
    loader.drop_last, loader.sampler.shuffle = False, False
    loader.dataset.update(split='test', clips=2, num_frames=8, test_mode=True)
    metric: dict[str, Any] = dict(type='VideoAccuracy', prefix='test')
    cfg.update(val_dataloader=loader, val_evaluator=metric, val_cfg={})
    cfg.custom_hooks = [
        dict(type='CalibrateBatchNormHook', num_batches=2),
        dict(type='BestAndLastHook', key='test/video_acc'),
        dict(type='VisualizationHook', num_clips=1),
    ]
    return cfg


def test_probe_is_validated(
    device: torch.device, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, there in (('cpu', CPU), ('device', device)):
        runner = train(probe(tmp_path / name, data_root), there, monkeypatch)
        results = json.loads((tmp_path / name / 'results.json').read_text())
        assert list((tmp_path / name).rglob('val_predictions*.png'))
        statistics = runner.model.encoder.conv4.norm.running_var.cpu()
        found.append((losses(tmp_path / name), statistics, results['last'], results['best']))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
    assert found[0][2]['test/clip_acc'] in (0, 25, 50, 75, 100)
