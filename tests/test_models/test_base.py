"""What the algorithms share."""

import uuid
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

from mmpointvideo.models.base import DownstreamModel


def make_model() -> DownstreamModel:
    return DownstreamModel(
        encoder=dict(type='PSTNetEncoder', width=1 / 16, padding_mode='replicate'),
        head=dict(type='ActionClsHead', in_channels=128, num_classes=2),
    )


@pytest.mark.parametrize('with_file', [True, False])
def test_how_weights_were_initialised_goes_into_log_files_alone(
    with_file: bool, tmp_path: Path, capsys
) -> None:
    log = tmp_path / 'a.log' if with_file else None
    MMLogger.get_instance(uuid.uuid4().hex, log_file=None if log is None else str(log))
    model = make_model()
    capsys.readouterr()
    model.init_weights()
    assert 'temporal_proj' not in capsys.readouterr().out
    if log is not None:
        text = log.read_text()
        assert all(name in text for name, _ in model.named_parameters())


def test_a_loss_needs_labels() -> None:
    with pytest.raises(ValueError, match="mode='loss' expects the data samples with the labels"):
        make_model()(dict(xyz=torch.rand(2, 8, 32, 3)), None, 'loss')


def test_public_classes_are_at_hand() -> None:
    import mmpointvideo.engine
    import mmpointvideo.models

    for package in (mmpointvideo.models, mmpointvideo.engine):
        assert all(hasattr(package, name) for name in package.__all__)
        assert len(set(package.__all__)) == len(package.__all__)
    assert {'PointCPSC', 'PSTNetEncoder', 'MemoryBank'} <= set(mmpointvideo.models.__all__)
    assert 'MemoryBankHook' in mmpointvideo.engine.__all__
