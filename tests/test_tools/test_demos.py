"""The demos run on a data set of their form, and their pictures are there."""

import importlib
import sys

import pytest
import torch
from matplotlib.image import imread
from mmengine.config import Config

from mmpointvideo.apis import init_model
from mmpointvideo.models.memories import Provenance
from mmpointvideo.testing import write_tiny_dataset


@pytest.fixture(scope='module')
def demo(root):
    """Import a demo by name, as if its folder were where Python started."""
    sys.path.insert(0, str(root / 'demo'))
    yield importlib.import_module
    sys.path.remove(str(root / 'demo'))


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, num_classes=3, num_frames=(26,))
    return root


@pytest.fixture(scope='module')
def checkpoints(root, demo, tmp_path_factory):
    """A pre-training and a probe as initialised; the bank holds something."""
    folder, defaults = tmp_path_factory.mktemp('weights'), demo('defaults')
    torch.manual_seed(0)
    paths = {}
    for name in (defaults.PRETRAIN, defaults.PROBE):
        (file,) = (root / 'configs').rglob(f'{name}.py')
        cfg = Config.fromfile(file)
        cfg.model.pop('encoder_checkpoint', None)
        model = init_model(cfg, device='cpu')
        if name == defaults.PRETRAIN:
            where = Provenance(torch.arange(40) % 9, torch.arange(40) % 26, torch.rand(40, 3) + 1)
            model.memory_bank.enqueue(torch.randn(40, 256), where)
        paths[name] = folder / f'{name[:9]}.pth'
        torch.save(dict(state_dict=model.state_dict()), paths[name])
    return paths[defaults.PRETRAIN], paths[defaults.PROBE]


def options(data_root, path):
    return ['--device', 'cpu', '--data-root', str(data_root), '--out', str(path)]


@pytest.mark.parametrize(
    ('name', 'extra'),
    [
        ('prototypes', ['--videos', '2', '--frames', '2']),
        ('motion_segmentation', ['--videos', '1']),
        ('positive_neighbors', ['--queries', '2', '--neighbors', '2']),
    ],
)
def test_pretraining_demos(demo, data_root, checkpoints, tmp_path, capsys, name, extra):
    path = tmp_path / 'a.png'
    files = demo(name).main([str(checkpoints[0]), *options(data_root, path), *extra])
    assert files == [path] and imread(path)[..., :3].std() > 0.05
    assert f'written: {path}' in capsys.readouterr().out


def test_classify_video(demo, data_root, checkpoints, tmp_path, capsys):
    path = tmp_path / 'a.png'
    result = demo('classify_video').main([str(checkpoints[1]), *options(data_root, path)])
    assert len(result['clip_starts']) == 3 and imread(path)[..., :3].std() > 0.05
    out = capsys.readouterr().out
    assert 'frames   0- 23: ' in out and 'truth: a0' in out


def test_stream(demo, data_root, checkpoints, capsys):
    arguments = [str(checkpoints[1]), '--device', 'cpu', '--data-root', str(data_root)]
    latencies = demo('live_depth_camera').main([*arguments, '--rate', '0', '--stride', '2'])
    assert len(latencies) == 2  # windows of 24 frames that end at the 24th and 26th
    assert 'latency without the first: median' in capsys.readouterr().out


def test_region_of_a_scaled_position(demo):
    match = demo('positive_neighbors').match_scaled
    torch.manual_seed(0)
    points = torch.rand(500, 3) * torch.tensor([1.0, 1.6, 0.3]) + torch.tensor([-0.5, -0.8, 2.1])
    hits = 0.0
    for index in range(50):
        scaled = points[index] * (0.9 + 0.2 * torch.rand(3))
        found = points[match(points.numpy(), scaled.numpy())]
        hits += float((found - points[index]).norm() < 0.15)
    assert hits > 40


def test_errors(demo, data_root, checkpoints, tmp_path):
    pretrain, probe = map(str, checkpoints)
    with pytest.raises(FileNotFoundError, match='make_builtin_actions.py --convert'):
        demo('prototypes').main([pretrain, '--data-root', str(tmp_path)])
    with pytest.raises(ValueError, match='not one of this PointCPSC'):
        demo('prototypes').main([probe, *options(data_root, tmp_path / 'a.png')])
    with pytest.raises(ValueError, match='not one of this PointVideoRecognizer'):
        demo('classify_video').main([pretrain, *options(data_root, tmp_path / 'a.png')])
    with pytest.raises(SystemExit) as stop:
        demo('segment_scene').main(['--help'])
    assert stop.value.code == 0
    assert not list(tmp_path.iterdir())
