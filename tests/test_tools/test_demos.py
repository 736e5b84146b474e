"""The demos run on a data set of their form, and their pictures are there."""

import importlib
import sys

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from mmengine.config import Config

from mmpointvideo.apis import find_config, init_model, init_pretraining
from mmpointvideo.datasets.storage import PointVideoWriter
from mmpointvideo.models.memories import Provenance
from mmpointvideo.testing import tiny_clip, write_tiny_dataset


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


def test_which_videos(demo):
    """Different actions first, then more of them; never more than there are."""
    pick = demo('defaults').pick_videos

    def chosen(videos, count, seed=0):
        return [video['video_id'] for video in pick(videos, count, seed)]

    two = [dict(video_id=f'{label}{take}', gt_label=label) for label in 'ab' for take in range(3)]
    assert sorted(name[0] for name in chosen(two, 2)) == ['a', 'b']
    assert sorted(name[0] for name in chosen(two, 4)) == ['a', 'a', 'b', 'b']
    assert sorted(chosen(two, 9)) == sorted(video['video_id'] for video in two)
    bare = [dict(video_id=str(take)) for take in range(6)]
    assert len(set(chosen(bare, 4))) == 4
    assert chosen(bare, 4, 1) != chosen(bare, 4, 2)
    split = [dict(video, subject=3 + take) for take, video in enumerate(bare)]
    assert set(chosen(split, 9)) == {'3', '4', '5'}  # subjects 1 to 5 were trained on


@pytest.mark.parametrize(
    ('name', 'option'),
    [
        ('prototypes', '--videos=0'),
        ('prototypes', '--seed=-1'),
        ('prototypes', '--device=gpu'),
        ('prototypes', '--out=a.jpg'),
        ('motion_segmentation', '--groups=0'),
        ('positive_neighbors', '--radius=0'),
        ('classify_video', '--out=a.gif'),
        ('live_depth_camera', '--rate=-1'),
        ('segment_scene', '--video=-1'),
    ],
)
def test_settings_that_cannot_be(demo, name, option, capsys):
    with pytest.raises(SystemExit) as stop:
        demo(name).main(['a.pth', option])
    assert stop.value.code == 2
    assert f'argument {option.split("=")[0]}: ' in capsys.readouterr().err


def test_suffixes_in_capitals(demo, data_root, checkpoints, tmp_path):
    path = tmp_path / 'a.PNG'
    demo('classify_video').main([str(checkpoints[1]), *options(data_root, path)])
    assert imread(path, 'png')[..., :3].std() > 0.05
    pytest.importorskip('plotly')
    page = tmp_path / 'a.HTML'
    demo('prototypes').main([str(checkpoints[0]), *options(data_root, page)])
    assert page.read_text().count('"title":') == 2  # the page's two sides: one video


def test_channels_of_ones_own(demo, data_root, checkpoints, tmp_path):
    """A ``part`` that no simulation made is no body part, a ``label`` no action."""
    videos = demo('defaults').read_videos(data_root)[1][:1]
    path = tmp_path / 'own.pvs'
    with PointVideoWriter(path, 'points', channels=dict(part='int32', label='int32')) as writer:
        for frame in tiny_clip(26, 60):
            values = np.arange(60) * 1000
            writer.append_points(frame * 300, dict(part=values, label=values))
    videos[0]['video_path'] = str(path)
    assert demo('positive_neighbors').read_frame(videos[0], 3, 1.0)[1] is None
    config = find_config(demo('defaults').PRETRAIN)
    model = init_pretraining(config, checkpoints[0], 'cpu')
    (clip,) = demo('prototypes').prototype_clips(model, videos, dict(classes=['a', 'b']), 2)
    assert clip.layers['part'].names[:2] == clip.layers['label'].names[:2] == ('0', '1000')


def test_nobody_in_view(demo, checkpoints, monkeypatch, capsys):
    live = demo('live_depth_camera')
    nobody, somebody = np.zeros((0, 3), np.float32), tiny_clip(1, 60)[0] * 300
    frames = [nobody] * 24 + [somebody] * 2
    monkeypatch.setattr(live, 'stored_frames', lambda source, rate: iter(frames))
    arguments = [str(checkpoints[1]), '--device', 'cpu', '--source', 'a', '--stride', '2']
    assert len(live.main(arguments)) == 1
    out = capsys.readouterr().out
    assert 'frame   23: nobody in view\nframe   25: ' in out
    monkeypatch.setattr(live, 'stored_frames', lambda source, rate: iter(frames[:24]))
    assert live.main(arguments) == []
    assert 'the stream ended' not in capsys.readouterr().out


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
