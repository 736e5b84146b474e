"""Every config loads, builds and takes one shrunken step; the tree keeps its rules."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmpointvideo.testing import shrink_config, write_tiny_dataset, write_tiny_scenes

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts and path.name != 'default_runtime.py'
)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, num_frames=(26, 26))
    return root


@pytest.fixture(scope='module')
def scene_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    write_tiny_scenes(root)
    return root


def _bases(path):
    bases = Config._get_base_files(str(path))
    bases = [bases] if isinstance(bases, str) else bases or []
    return [(path.parent / base).resolve() for base in bases]


def _depth(path):
    return max((1 + _depth(base) for base in _bases(path)), default=0)


def _models(path):
    """The model files below ``_base_`` that a config is made of."""
    found = {base for base in _bases(path) if base.parent.name == 'models'}
    return frozenset(found.union(*map(_models, _bases(path))))


def _first_of_their_models():
    """One config of every network; the others of that network differ in numbers only."""
    first = {}
    for path in CONFIGS:
        first.setdefault((_models(path), 'linear' in path.stem), path)
    return set(first.values())


FULL_WIDTH = _first_of_their_models()


def _narrow(node):
    """Divide all channels by 8; the encoder's own follow from its width."""
    if node.get('type', '').endswith('Encoder'):
        node['width'] = min(node.get('width', 1), 1 / 8)
        return
    for key, value in node.items():
        if isinstance(value, dict):
            _narrow(value)
        elif key.endswith('channels'):
            node[key] = _eighth(value)


def _eighth(value):
    if isinstance(value, list | tuple):
        return [_eighth(item) for item in value]
    return value // 8 if value and value >= 32 else value  # 3 colours, None


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_one_step(path, data_root, scene_root, tmp_path):
    cfg = Config.fromfile(path)
    if path not in FULL_WIDTH and cfg.model.encoder.get('width', 1) == 1:
        _narrow(cfg.model)
    scenes = cfg.train_dataloader.dataset.get('type') == 'Synthia4DDataset'
    cfg = shrink_config(cfg, scene_root if scenes else data_root, tmp_path)
    cfg.experiment_name = f'{path.stem}-{tmp_path.name}'
    runner = Runner.from_cfg(cfg)
    before = [p.detach().clone() for p in runner.model.parameters()]
    runner.train()
    assert runner.iter == 1
    after = list(runner.model.parameters())
    assert all(p.isfinite().all() for p in after)
    changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    frozen = [not p.requires_grad for p in after]
    assert any(changed) and not any(c and f for c, f in zip(changed, frozen, strict=True))


def test_names_are_unique_and_inheritance_is_shallow():
    names = [path.stem for path in CONFIGS]
    assert len(names) == len(set(names))
    deep = {path.name: _depth(path) for path in CONFIGS if _depth(path) > 2}
    assert not deep


@pytest.fixture(autouse=True)
def _forget_runs():
    yield
    for manager in (MMLogger, MessageHub, Visualizer):
        manager._instance_dict.clear()
