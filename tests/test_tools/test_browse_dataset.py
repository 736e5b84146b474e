"""tools/visualization/browse_dataset.py: pictures of what the network sees."""

import importlib.util

import numpy as np
import pytest
from matplotlib.image import imread

from mmpointvideo.simulation.bodies import PART_NAMES
from mmpointvideo.testing import write_tiny_dataset
from mmpointvideo.visualization import write_clips
from mmpointvideo.visualization.colors import PART_COLORS


@pytest.fixture(scope='module')
def tool(root):
    path = root / 'tools' / 'visualization' / 'browse_dataset.py'
    spec = importlib.util.spec_from_file_location('browse_dataset', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('browse')
    ann_file = write_tiny_dataset(folder)
    path = folder / 'tiny.py'
    path.write_text(
        "default_scope = 'mmpointvideo'\n"
        'train_dataloader = dict(batch_size=2, dataset=dict(\n'
        f"    type='MSRAction3DDataset', ann_file={str(ann_file)!r}, split='train',\n"
        '    num_frames=8, pipeline=[\n'
        "        dict(type='SampleFrames'), dict(type='LoadPointVideoFrames'),\n"
        "        dict(type='SamplePoints', num_points=40),\n"
        "        dict(type='ScaleCoordinates', factor=1 / 300),\n"
        "        dict(type='SplitSegments', num_segments=2),\n"
        "        dict(type='PackPointVideoInputs')]))\n"
    )
    return path


@pytest.mark.parametrize(('mode', 'color'), [('transformed', 'depth'), ('original', 'part')])
def test_writes_pictures(tool, config, tmp_path, mode, color):
    options = ['--num', '3', '--rows', '2', '--frames', '2', '--mode', mode, '--color', color]
    paths = tool.main([str(config), '--output-dir', str(tmp_path), *options])
    assert [path.name for path in paths] == [f'train_{mode}_{color}_0{i}.png' for i in range(2)]
    assert sorted(tmp_path.iterdir()) == paths
    pictures = [imread(path) for path in paths]
    assert pictures[0].shape[0] > 1.4 * pictures[1].shape[0]
    assert all(picture[..., :3].std() > 0.05 for picture in pictures)


def test_clips_as_the_network_sees_them(tool, config):
    args = tool.parse_args([str(config), '--color', 'part'])
    item = tool.build_dataset(args)[0]
    clouds, colors = tool.clip_clouds(item, 'part')
    assert len(clouds) == 8 and clouds[0].shape == (40, 3)
    np.testing.assert_array_equal(np.array(colors) == 1, np.array(clouds)[..., 1] < 0)
    args = tool.parse_args([str(config), '--color', 'part', '--mode', 'original'])
    item = tool.build_dataset(args)[0]
    clouds, colors = tool.clip_clouds(item, 'part')
    start = item['clip_start']
    assert [len(cloud) for cloud in clouds] == [80 - t for t in range(start, start + 8)]
    for cloud, color in zip(clouds, colors, strict=True):
        np.testing.assert_array_equal(color == 1, cloud[:, 1] < 0)


def test_people_stand_upright(tool, config, tmp_path):
    """y points down in camera coordinates: a high point must be drawn in the upper half."""
    cloud = np.array([[0, -1, 2], [-0.5, 1, 2], [0.5, 1, 2]], np.float32)
    part = np.array([1, 2, 2])
    points = np.repeat(cloud[None], 200, axis=1).reshape(1, -1, 3)
    points = points + np.random.default_rng(0).normal(0, 0.03, points.shape)
    labels = np.repeat(part[None], 200, axis=1).reshape(1, -1)
    item = dict(
        points=points, point_labels=dict(part=labels), frame_inds=np.array([7]), video_id='v'
    )
    (path,) = write_clips(
        tmp_path / 'a.png', [tool.make_clip(item, 'part', dict(part_names=PART_NAMES))], 'part'
    )
    picture = (imread(path)[..., :3] * 255).round().astype(int)
    first = (picture == PART_COLORS[1]).all(axis=-1)
    first[int(0.85 * len(first)) :] = False  # the legend
    rows = np.flatnonzero(first.any(axis=1))
    assert len(rows) and rows.max() < picture.shape[0] / 2


def test_labels_of_scenes_are_classes_or_stored_ids(tool):
    meta = dict(classes=['road', 'car'], label_ids=[3, 8], palette=[(0, 0, 0), (9, 9, 9)])
    cloud = np.zeros((1, 3, 3), np.float32)
    item = dict(points=cloud, frame_inds=[0], video_id='v')
    for values, expected in (([0, 1, 255], [0, 1, 255]), ([3, 8, 0], [0, 1, 255])):
        item['point_labels'] = dict(label=np.array([values]))
        layer = tool.make_clip(item, 'label', meta).layers['label']
        assert layer.values[0].tolist() == expected and layer.names == ('road', 'car')


def test_labels_of_ones_own_are_numbered(tool):
    """The classes are those of the videos."""
    meta = dict(classes=['jump', 'run'], task='action_recognition')
    item = dict(points=np.zeros((1, 3, 3), np.float32), frame_inds=[0], video_id='v')
    item['point_labels'] = dict(label=np.array([[0, 7, 300]]), part=np.array([[0, 90, 1]]))
    label = tool.make_clip(item, 'label', meta).layers['label']
    assert label.names == ('0', '7', '300') and label.values[0].tolist() == [0, 1, 2]
    assert tool.make_clip(item, 'part', meta).layers['part'].names == ('0', '1', '90')


def test_a_part_of_the_videos(tool, config, tmp_path):
    path = tmp_path / 'few.py'
    path.write_text(
        config.read_text() + "train_dataloader['dataset'] = dict(\n"
        "    type='LabelFraction', videos_per_class=1, dataset=train_dataloader['dataset'])\n"
    )
    (file,) = tool.main([str(path), '--output-dir', str(tmp_path / 'out'), '--num', '1'])
    assert imread(file)[..., :3].std() > 0.05


def test_errors(tool, config, tmp_path):
    with pytest.raises(ValueError, match=r"no test_dataloader; it has \['train'\]"):
        tool.main([str(config), '--phase', 'test'])
    with pytest.raises(ValueError, match='normals'):
        tool.main([str(config), '--color', 'normals', '--output-dir', str(tmp_path)])
    assert not list(tmp_path.iterdir())
    for option in ('--num=0', '--frames=0', '--rows=-1', '--seed=-1'):
        with pytest.raises(SystemExit):
            tool.parse_args([str(config), option])
