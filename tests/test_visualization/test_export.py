"""Point files: names that every reader takes, and one clip in a folder."""

import numpy as np
import pytest

from mmpointvideo.apis import open_video
from mmpointvideo.datasets.formats import read_point_file
from mmpointvideo.visualization import Layer, PointClip, write_clips, write_points


def clip(length, name='height'):
    points = [np.eye(3) + t for t in range(length)]
    layers = {} if name == 'height' else {name: Layer([np.arange(3.0)] * length)}
    return PointClip(points, layers)


@pytest.mark.parametrize('kind', ['ply', 'pcd'])
@pytest.mark.parametrize(
    ('layer', 'field'),
    [
        ('similarity to 3', 'similarity_to_3'),
        ('größe (µm)', 'gr_e_m'),
        ('X', 'value_X'),
        ('rgb', 'value_rgb'),
        ('_', 'value'),
        ('gt_label', 'gt_label'),
    ],
)
def test_names_of_layers(tmp_path, kind, layer, field):
    (path,) = write_points(tmp_path, clip(1, layer), layer, kind)
    frame = read_point_file(path)
    np.testing.assert_array_equal(frame.xyz, np.eye(3))
    assert list(frame.channels) in ([field.lower(), 'rgb'], ['rgb', field.lower()])
    np.testing.assert_array_equal(frame.channels[field.lower()], np.arange(3))


@pytest.mark.parametrize('kind', ['ply', 'pcd'])
def test_a_shorter_clip_replaces_a_longer_one(tmp_path, kind):
    write_clips(tmp_path / f'a.{kind}', [clip(9)])
    paths = write_clips(tmp_path / 'a.ply', [clip(3)])
    assert sorted((tmp_path / 'a').iterdir()) == paths
    assert open_video(tmp_path / 'a').num_frames == 3


def test_as_many_clips_as_were_written_last(tmp_path):
    for count in (1, 3, 2):
        write_clips(tmp_path / 'a.ply', [clip(2)] * count)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.ply'))
    assert left == [f'a/0{i}/00000{t}.ply' for i in range(2) for t in range(2)]


@pytest.mark.parametrize('name', ['000001.ply', '000007.PCD'])
def test_files_of_somebody_else_are_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b'ply\nformat ascii 1.0\n')
    (tmp_path / 'notes.txt').touch()
    for write in (
        lambda: write_points(tmp_path, clip(3)),
        lambda: write_clips(tmp_path.with_suffix('.ply'), [clip(3)] * 2),
    ):
        with pytest.raises(ValueError, match=f'{name} was not written by this function'):
            write()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, 'notes.txt'])
