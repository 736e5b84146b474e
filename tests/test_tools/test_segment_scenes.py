"""Whole scenes from the command line: every stored point gets a class, and the table is theirs."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.synthia4d_facts import CLASSES, LABEL_IDS
from mmpointvideo.registry import MODELS
from mmpointvideo.testing import shrink_config, write_tiny_scenes


def load_tool(root: Path, name: str) -> ModuleType:
    path = root / 'tools' / 'analysis_tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def tool(root: Path) -> ModuleType:
    return load_tool(root, 'segment_scenes')


@pytest.fixture(scope='module')
def run(root: Path, tmp_path_factory) -> tuple[Path, Path]:
    """A shrunken config and a checkpoint of its model, untrained."""
    folder = tmp_path_factory.mktemp('run')
    write_tiny_scenes(folder / 'data', num_frames=4)
    path = root / 'configs/p4transformer/p4transformer_1xb8-3x1-16384pts-150e_synthia4d.py'
    cfg = shrink_config(Config.fromfile(path), folder / 'data', folder)
    cfg.model.encoder.width = 1 / 32
    cfg.model.head.update(in_channels=[3, 4, 8, 16, 32], decoder_channels=[[8], [8], [8], [8]])
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    cfg.dump(folder / 'config.py')
    return folder / 'config.py', folder / 'model.pth'


def iou(truth: np.ndarray, prediction: np.ndarray) -> list[float]:
    out = []
    for label in range(len(CLASSES)):
        a, b = truth == label, (prediction == label) & (truth != 255)
        out.append(100 * (a & b).sum() / max((a | b).sum(), 1))
    return out


def test_every_point_is_labelled_and_counted(tool, run, tmp_path, capsys):
    config, checkpoint = run
    out, scenes = tmp_path / 'metrics.json', tmp_path / 'scenes'
    arguments = [str(config), str(checkpoint), '--device', 'cpu', '--split', 'val']
    arguments += ['--frames-per-video', '2', '--out', str(out), '--save-dir', str(scenes)]
    metrics = tool.main(arguments)
    assert '2 scenes, 800 points' in capsys.readouterr().out
    found = [np.load(path, allow_pickle=False) for path in sorted(scenes.iterdir())]
    names = [path.name for path in sorted(scenes.iterdir())]
    assert names == [f'SYNTHIA-SEQS-05-TINY-{n:06d}.npz' for n in (0, 3)]
    store = PointVideoStore(config.parent / 'data/videos/SYNTHIA-SEQS-05-TINY.pvs')
    for frame, scene in zip((0, 3), found, strict=True):
        stored = store.read([frame])
        np.testing.assert_array_equal(scene['xyz'], stored.xyz)
        truth = [LABEL_IDS.index(v) if v else 255 for v in stored.channels['label']]
        np.testing.assert_array_equal(scene['gt_class'], truth)
        assert scene['pred_label'].min() >= 0 and scene['pred_label'].max() < len(CLASSES)
    truth, prediction = (
        np.concatenate([scene[name] for scene in found]) for name in ('gt_class', 'pred_label')
    )
    expected = iou(truth, prediction)
    for name, value in zip(CLASSES, expected, strict=True):
        assert metrics[f'IoU_{name}'] == pytest.approx(value)
    assert metrics['mIoU'] == pytest.approx(np.mean(expected))
    assert json.loads(out.read_text()) == pytest.approx(metrics)


def test_it_repeats_exactly(tool, run):
    config, checkpoint = run
    arguments = [str(config), str(checkpoint), '--device', 'cpu', '--frames-per-video', '1']
    assert tool.main(arguments) == tool.main(arguments)


def test_configs_without_scenes_are_refused(tool, root, run):
    config = root / 'configs/pstnet/pstnet_1xb16-8x1-2048pts-35e_msraction3d.py'
    with pytest.raises(ValueError, match='got MSRAction3DDataset'):
        tool.main([str(config), str(run[1])])


def test_steps_are_measured(root, run, capsys):
    config = str(run[0])
    found = load_tool(root, 'measure_step').main([config, '--steps', '2', '--batch-size', '1'])
    assert 'inputs (1, 3, 256, 6)' in capsys.readouterr().out
    assert len(found) == 2 and found[1]['peak_mib'] >= found[0]['peak_mib'] > 100
    assert all(row['wall_s'] > 0 and row['cpu_s'] > 0 for row in found)
