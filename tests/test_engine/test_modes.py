"""bfloat16, torch.compile, gradient accumulation and activation checkpointing, in every task."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from mmpointvideo.engine.compilation import prepare_compilation
from mmpointvideo.engine.optimizers import BFloat16OptimWrapper
from mmpointvideo.registry import MODELS
from mmpointvideo.testing import tiny_batch
from mmpointvideo.testing.interruption import LossRecorder, recorded_losses
from mmpointvideo.testing.runs import _MODEL, tiny_pretraining

FINE_TUNE = dict(
    type='PointVideoRecognizer',
    encoder=dict(type='PSTNetEncoder', width=1 / 16, num_neighbors=4, padding_mode='replicate'),
    head=dict(type='ActionClsHead', in_channels=128, num_classes=4),
)
SEGMENT = dict(
    type='PointVideoSegmentor',
    encoder=dict(
        type='P4TransformerEncoder', variant='scene', in_channels=3, radius=0.5, num_neighbors=4,
        width=1 / 16,
    ),
    head=dict(
        type='PointSegHead', in_channels=[3, 8, 16, 32, 64], num_classes=3,
        decoder_channels=[[16], [16], [8], [8]],
    ),
)  # fmt: skip
TASKS = dict(pretrain=_MODEL, fine_tune=FINE_TUNE, segment=SEGMENT)


def batch_of(task: str, seed: int = 0) -> dict:
    """A batch as a data loader gives it."""
    if task == 'segment':
        inputs, samples = tiny_batch(2, 3, 256, num_features=3, seed=seed)
        for clip, sample in zip(inputs['xyz'], samples, strict=True):
            sample.gt_pts_seg = (clip[..., 1] * 2).clamp(-1, 1).long() + 1
    else:
        segments = 3 if task == 'pretrain' else None
        inputs, samples = tiny_batch(4, 12, 32, num_segments=segments, seed=seed)
    points = inputs['xyz']
    if inputs['features'] is not None:
        points = torch.cat([points, inputs['features'].transpose(-1, -2)], dim=-1)
    return dict(inputs=list(points), data_samples=samples)


def build(task: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(TASKS[task]))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()


def train_steps(task: str, kind: type = OptimWrapper, compiled: dict | None = None) -> list[float]:
    """Losses of three steps."""
    model = build(task)
    wrapper = kind(torch.optim.SGD(model.parameters(), lr=0.01))
    step = model.train_step
    if compiled:
        prepare_compilation(model, wrapper)
        step = torch.compile(model.train_step, **compiled)
    losses = []
    for seed in range(3):
        losses.append(float(step(batch_of(task, seed), optim_wrapper=wrapper)['loss'].detach()))
        if hasattr(model, 'update_memory'):
            model.update_memory()
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())
    return losses


@pytest.mark.parametrize('task', TASKS)
def test_bfloat16_is_close_to_float32(task: str) -> None:
    got, wanted = train_steps(task, BFloat16OptimWrapper), train_steps(task)
    assert got != wanted  # it was on
    assert got[0] == pytest.approx(wanted[0], rel=0.03)
    # after a step of SGD on a handful of clips the two are different networks
    assert got == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize('task', TASKS)
def test_compiled_steps_equal_eager_ones(task: str) -> None:
    """Through the tracer, without generating code, which takes minutes."""
    wanted = train_steps(task)
    torch._dynamo.reset()
    assert train_steps(task, compiled=dict(backend='eager')) == pytest.approx(wanted, rel=1e-5)


def run(tmp_path: Path, **changes) -> list[float]:
    cfg = tiny_pretraining(tmp_path / 'run', tmp_path.parent / 'tiny_data', **changes)
    cfg.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(cfg)
    runner.register_hook(LossRecorder())
    runner.train()
    return [float.fromhex(row['loss']) for row in recorded_losses(tmp_path / 'run').values()]


def test_options_of_a_run(tmp_path: Path) -> None:
    """The config options do what they say, through the runner."""
    plain = run(tmp_path / 'plain')
    amp = run(tmp_path / 'amp', optim_wrapper__type='BFloat16OptimWrapper')
    assert amp != plain and amp == pytest.approx(plain, rel=0.05)
    torch._dynamo.reset()
    assert run(tmp_path / 'compiled', compile=dict(backend='eager')) == pytest.approx(plain, 1e-3)
    kept = run(
        tmp_path / 'checkpointed',
        activation_checkpointing=['encoder.conv2a', 'autoregressor.transformer'],
    )
    assert kept == pytest.approx(plain, rel=1e-5)


def frozen_norms(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    return model


def test_accumulation_is_the_mean_over_its_batches() -> None:
    """Two batches of 2 make the step of one of 4 (frozen norms, a loss that is a mean)."""
    weights = []
    for accumulative_counts in (1, 2):
        model = frozen_norms(build('fine_tune'))
        wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=accumulative_counts
        )
        wrapper.initialize_count_status(model, 0, accumulative_counts)
        batch = batch_of('fine_tune')
        size = 4 // accumulative_counts
        for start in range(0, 4, size):
            part = {name: values[start : start + size] for name, values in batch.items()}
            model.train_step(part, optim_wrapper=wrapper)
        weights.append({name: p.detach().clone() for name, p in model.named_parameters()})
    before = dict(build('fine_tune').named_parameters())
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-5, atol=1e-6)
    moved: list[Tensor] = [(weights[0][n] - before[n]).abs().max() for n in before]
    assert max(float(value) for value in moved) > 1e-3


def test_activation_checkpointing_gives_the_same_gradients() -> None:
    from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing

    gradients = []
    for modules in ([], ['encoder.conv2a', 'encoder.conv3b']):
        model = build('fine_tune')
        turn_on_activation_checkpointing(model, modules)
        data = model.data_preprocessor(batch_of('fine_tune'), True)
        model(**data, mode='loss')['loss'].backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, value in gradients[0].items():
        torch.testing.assert_close(value, gradients[1][name], rtol=1e-5, atol=1e-7)
