"""MemoryBankHook and CalibrateBatchNormHook."""

import os
import signal
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop

from mmpointvideo.engine.hooks import (
    CalibrateBatchNormHook,
    MemoryBankHook,
    TerminationHook,
    calibrate_batch_norm,
)
from mmpointvideo.engine.loops import EpochBasedTrainLoop
from mmpointvideo.models.recognizers import PointVideoRecognizer
from mmpointvideo.testing import tiny_clip


class _Recorder(torch.nn.Module):
    def __init__(self, bank):
        super().__init__()
        self.memory_bank = bank
        self.updates = 0

    def update_memory(self):
        self.updates += 1


def _runner(model, **fields):
    return SimpleNamespace(model=model, iter=0, logger=MMLogger.get_current_instance(), **fields)


@pytest.mark.parametrize('accumulative_counts', [1, 2])
def test_memory_is_updated_after_every_step_of_the_optimiser(accumulative_counts: int):
    model = _Recorder(bank=object())
    weight = torch.nn.Parameter(torch.zeros(1))
    optim_wrapper = OptimWrapper(
        torch.optim.SGD([weight], lr=1.0), accumulative_counts=accumulative_counts
    )
    optim_wrapper.initialize_count_status(torch.nn.Identity(), 0, 6)
    runner = _runner(model, optim_wrapper=optim_wrapper)
    hook = MemoryBankHook()
    hook.before_train(runner)
    updates = []
    for step in range(6):
        optim_wrapper.update_params(weight.sum())
        hook.after_train_iter(runner, step)
        updates.append(model.updates)
        assert float(-weight) == model.updates  # as many steps
    assert updates == [(step + 1) // accumulative_counts for step in range(6)]


def test_a_model_without_memory_is_an_error():
    with pytest.raises(ValueError, match='expects a model with a memory_bank, got _Recorder'):
        MemoryBankHook().before_train(_runner(_Recorder(bank=None)))


def test_neighbours_from_an_epoch_on_need_a_loop_that_counts_epochs():
    model = _Recorder(bank=object())
    model.contrast_head = SimpleNamespace(neighbor_start_epoch=3)
    loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    with pytest.raises(ValueError, match='neighbor_start_epoch=3.*IterBasedTrainLoop'):
        MemoryBankHook().before_train(_runner(model, train_loop=loop))
    by_epochs = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    MemoryBankHook().before_train(_runner(model, train_loop=by_epochs))
    model.contrast_head.neighbor_start_epoch = 0
    MemoryBankHook().before_train(_runner(model, train_loop=loop))


def _recognizer():
    return PointVideoRecognizer(
        encoder=dict(type='PSTNetEncoder', width=1 / 16, padding_mode='replicate'),
        head=dict(type='ActionClsHead', in_channels=128, num_classes=2),
        frozen_encoder=True,
    )


def test_calibration_measures_statistics_and_changes_no_weight():
    model = _recognizer().train()
    clips = [torch.from_numpy(tiny_clip(8, 64, seed=seed)) for seed in range(6)]
    batches = [dict(inputs=clips[i : i + 2]) for i in (0, 2, 4)]
    weights = {k: v.clone() for k, v in model.encoder.named_parameters()}
    hook = CalibrateBatchNormHook(num_batches=2)
    hook.before_train(_runner(model, train_dataloader=batches))
    for name, value in model.encoder.named_parameters():
        assert torch.equal(value, weights[name]), name
    assert not model.encoder.training

    other = _recognizer()
    other.load_state_dict(model.state_dict())
    norm = model.encoder.conv2a.norm
    assert not torch.equal(norm.running_var, torch.ones_like(norm.running_var))
    # a resumed run keeps what it has
    runner = _runner(model, train_dataloader=batches)
    runner.iter = 5
    hook.before_train(runner)
    for name, value in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    with pytest.raises(ValueError, match='num_batches must be >= 1'):
        CalibrateBatchNormHook(0)

    # as many batches as were asked for: none, one, and no more than there are
    per_batch = norm.num_batches_tracked.item() // 2
    for asked, left in ((0, 2), (1, 1), (9, 3)):
        assert calibrate_batch_norm(model, iter(batches), asked) == min(asked, 3)
        assert norm.num_batches_tracked.item() == left * per_batch


def test_calibrated_statistics_are_the_mean_of_the_batches():
    """What was there before leaves no trace, neither 0 and 1 nor another measurement."""
    model = _recognizer().eval()
    batches = [dict(inputs=[torch.from_numpy(tiny_clip(8, 64, seed=i))] * 2) for i in range(3)]
    names = [n for n, _ in model.encoder.named_buffers() if 'running' in n]

    def measured(some: list[dict]) -> dict[str, torch.Tensor]:
        calibrate_batch_norm(model, some, len(some))
        return {name: model.encoder.get_buffer(name).clone() for name in names}

    single = [measured([batch]) for batch in batches]
    together = measured(batches)
    for name in names:
        mean = torch.stack([one[name] for one in single]).mean(0)
        torch.testing.assert_close(together[name], mean, rtol=1e-4, atol=1e-7)
        assert not torch.equal(single[0][name], single[1][name]), name
    assert model.encoder.conv1.norm.momentum == 0.1


def test_a_broken_batch_leaves_the_encoder_as_it_was():
    model = _recognizer().eval()
    broken = [dict(inputs=[torch.full((8, 64, 3), float('nan'))])]
    before = model.encoder.conv1.norm.running_var.clone()
    with pytest.raises(ValueError, match='NaN'):
        calibrate_batch_norm(model, broken, 1)
    assert not model.encoder.training and model.encoder.conv1.norm.momentum == 0.1
    assert torch.equal(model.encoder.conv1.norm.running_var, before)


def test_sigterm_after_half_a_minute_ends_the_process():
    hook = TerminationHook()
    seen = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: seen.append(signum))
    loader = SimpleNamespace(num_workers=0)
    runner = _runner(None, train_loop=SimpleNamespace(dataloader=loader), _val_loop=None)
    try:
        hook.before_train(runner)
        for _ in range(2):  # the scheduler, and the launcher that passes it on
            os.kill(os.getpid(), signal.SIGTERM)
        assert hook.received and not seen
        hook._since -= 31
        os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
