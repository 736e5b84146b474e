"""Pictures of schedules and features; agreement of prototypes with parts."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.image import imread
from mmengine.config import Config

from mmpointvideo.apis import init_model
from mmpointvideo.testing import write_tiny_dataset


@pytest.fixture(scope='module')
def tool(root):
    """Import a tool by its path below tools/."""

    def load(path):
        spec = importlib.util.spec_from_file_location(path.split('/')[-1], root / 'tools' / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, num_frames=(26,))
    return root


def test_schedule(tool, root, tmp_path):
    """Linear warm-up over 2 epochs of 5 iterations, then cosine to 0 at epoch 40."""
    vis = tool('visualization/vis_scheduler.py')
    name = 'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_builtin-actions.py'
    path = root / 'configs' / 'pointcpsc' / name
    values = vis.simulate(Config.fromfile(path), 5)
    assert len(values) == 200 and values.argmax() in (9, 10)
    assert values[0] == pytest.approx(8e-5) and values.max() == pytest.approx(8e-4)
    middle = 4e-4 * (1 + np.cos(np.pi * 95 / 190))
    assert values[105] == pytest.approx(middle, rel=0.02) and values[-1] < 1e-6
    momentum = vis.simulate(Config.fromfile(path), 1, 'momentum')
    assert set(momentum) == {0.9}
    out = vis.main([str(path), '--epoch-length', '5', '--out', str(tmp_path / 'a.png')])
    assert imread(out)[..., :3].std() > 0.05
    with pytest.raises(ValueError, match='train_cfg.max_epochs'):
        vis.simulate(Config(dict()), 5)
    with pytest.raises(SystemExit):
        vis.main([str(path), '--epoch-length', '0'])
    odd = tmp_path / r'$\lr$.py'
    odd.write_text(f'_base_ = {str(path)!r}\n')
    assert vis.main([str(odd), '--epoch-length', '1', '--out', str(tmp_path / 'b.png')]).is_file()


def test_tsne(tool):
    pytest.importorskip('sklearn')
    vis = tool('visualization/vis_tsne.py')
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(c, 0.1, (15, 4)) for c in (0, 5)])
    plane = vis.embed(features, 5, 0)
    inside = np.linalg.norm(plane[:15] - plane[:15].mean(axis=0), axis=1).mean()
    between = np.linalg.norm(plane[:15].mean(axis=0) - plane[15:].mean(axis=0))
    assert between > 2 * inside
    with pytest.raises(ValueError, match='less than 30 clips, got 30'):
        vis.embed(features, 30, 0)


def test_tsne_of_videos_without_a_label(tool, root, tmp_path, monkeypatch):
    """They are grey, and none of the classes; a name is drawn as it is."""
    pytest.importorskip('sklearn')
    vis = tool('visualization/vis_tsne.py')
    ann_file = write_tiny_dataset(tmp_path, subjects=(6, 7, 8), num_frames=(26,))
    annotations = json.loads(ann_file.read_text())
    annotations['metainfo']['classes'] = [r'$\wave$', '$']
    for video in annotations['data_list'][:2]:
        del video['gt_label']
    ann_file.write_text(json.dumps(annotations))
    name = 'pstnet-tiny_1xb16-24x1-256pts-linear-20e_builtin-actions.py'
    drawn, scatter = [], Axes.scatter

    def record(axes, x, y, **options):
        drawn.append((len(x), options['label']))
        return scatter(axes, x, y, **options)

    monkeypatch.setattr(Axes, 'scatter', record)
    options = [f'{split}_dataloader.dataset.data_root={tmp_path}' for split in ('train', 'test')]
    options += ['test_dataloader.dataset.clips=1', 'test_dataloader.num_workers=0']
    options += ['test_dataloader.persistent_workers=False']
    out = tmp_path / 'a.png'
    vis.main(
        [str(root / 'configs' / 'pstnet' / name), '--perplexity', '2', '--out', str(out)]
        + ['--cfg-options', *options]
    )
    assert drawn == [(2, 'no label'), (1, r'$\wave$'), (3, '$')] and out.is_file()


def test_prototype_parts(tool, root, data_root, tmp_path, capsys):
    pytest.importorskip('sklearn')
    parts = tool('analysis_tools/prototype_parts.py')
    name = 'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_msraction3d-skeleton.py'
    config = root / 'configs' / 'pointcpsc' / name
    model = init_model(Config.fromfile(config), device='cpu')
    for epoch in (10, 9):
        torch.save(dict(state_dict=model.state_dict()), tmp_path / f'epoch_{epoch}.pth')
    options = ['--videos', '2', '--frames', '2', '--out', str(tmp_path / 'out'), '--cfg-options']
    options += [f'train_dataloader.dataset.data_root={data_root}']
    result = parts.main([str(config), str(tmp_path), *options])
    assert list(result['epochs']) == ['epoch 9', 'epoch 10'] and result['frames'] == 4
    # the parts are the upper and the lower half: coordinates tell them apart
    about = result['rows']["k-means, coordinates about the frame's centroid"]
    assert about['superpoint_purity'] > 0.9 > 0.6 > result['rows']['epoch 10, prototypes']['nmi']
    assert json.loads((tmp_path / 'out' / 'prototype_parts.json').read_text()) == result
    assert imread(tmp_path / 'out' / 'prototype_parts.png')[..., :3].std() > 0.05
    assert '| k-means, raw coordinates | ' in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match='a folder with epoch_'):
        parts.find_checkpoints(tmp_path / 'out')
