"""The profiler of training steps: every part is found, forward and backward."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpointvideo import ops
from mmpointvideo.ops.backends import BACKENDS
from mmpointvideo.testing import shrink_config, write_tiny_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def tool():
    path = ROOT / 'tools' / 'analysis_tools' / 'profile_train.py'
    spec = importlib.util.spec_from_file_location('profile_train_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    'backend', [name for name in ops.available_backends() if name in ('torch', 'numba')]
)
def test_all_parts_of_a_pretraining_step(tool, tmp_path, capsys, backend):
    write_tiny_dataset(tmp_path / 'data', num_frames=(24,))
    name = 'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_msraction3d-skeleton.py'
    cfg = Config.fromfile(ROOT / 'configs' / 'pointcpsc' / name)
    cfg = shrink_config(cfg, tmp_path / 'data', tmp_path)
    cfg.dump(tmp_path / 'config.py')
    before = {name: dict(backend.operators()) for name, backend in BACKENDS.items()}
    with ops.use_backend(backend):
        result = tool.main(
            [str(tmp_path / 'config.py'), '--steps', '1', '--warmup', '1']
            + ['--device', 'cpu', '--out', str(tmp_path / 'out.json')]
        )
    assert tuple(result) == tool.PARTS
    for part, spent in result.items():
        assert spent > 0, part
    assert json.loads((tmp_path / 'out.json').read_text()) == result
    printed = capsys.readouterr().out
    assert 'points that the layers after the first read: ' in printed
    assert 'ms a step' in printed and '| furthest point sampling |' in printed
    for name, functions in before.items():  # no mark stays
        assert BACKENDS[name].operators() == functions


def test_backward_passes_belong_to_their_forward_part(tool):
    import torch
    from torch.profiler import ProfilerActivity, profile, record_function

    x = torch.randn(64, 64, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        product = x @ x
        with record_function('profile_train: loss'):
            loss = (product @ x).exp().sum()
        loss.backward()
    names = {}
    events = profiler.events()
    found = tool.split_by_part(events, device=False)
    for event in events:
        names[event.name] = names.get(event.name, 0) + event.self_cpu_time_total
    assert set(found) >= {'matrix products', 'loss'}
    node = 'autograd::engine::evaluate_function: '
    assert node + 'ExpBackward0' in names and node + 'MmBackward0' in names
    alone = [event for event in events if event.name == node + 'ExpBackward0']
    assert found['loss'] > sum(event.cpu_time_total for event in alone)
    total = sum(event.self_cpu_time_total for event in events)
    assert sum(found.values()) == pytest.approx(total)
