"""Pictures: things are where they belong, and the files can be read back."""

import numpy as np
import pytest

from mmpointvideo.datasets.formats import read_point_file
from mmpointvideo.visualization import (
    Layer,
    PointClip,
    draw_frames,
    draw_sheet,
    write_clips,
    write_gif,
    write_points,
)
from mmpointvideo.visualization.export import require
from mmpointvideo.visualization.render import project

RED, BLUE = (220, 30, 30), (30, 30, 220)


def clip(length=3, names=('high', 'low'), **options):
    """A blob above and one below the middle, y down; the upper one moves to the right."""
    rng = np.random.default_rng(0)
    frames, values = [], []
    for t in range(length):
        centers = np.repeat([[t * 1.0, -2, 5], [0, 2, 5]], 60, axis=0)
        frames.append(centers + rng.normal(0, 0.1, centers.shape))
        values.append(np.repeat([0, 1], 60))
    return PointClip(frames, {'half': Layer(values, names, [RED, BLUE])}, **options)


def where(image, color):
    """Mean row and column of the pixels of a colour, in 0..1."""
    rows, columns = np.nonzero((np.abs(image.astype(int) - color) < 8).all(axis=-1))
    assert len(rows) > 10
    return rows.mean() / image.shape[0], columns.mean() / image.shape[1]


def test_views():
    points = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])  # right, away, up
    front, distance = project(points, 'front')
    np.testing.assert_allclose(front, [[1, 0], [0, 0], [0, 1]], atol=1e-12)
    assert distance.argmax() == 1
    top, distance = project(points, 'top')
    np.testing.assert_allclose(top, [[1, 0], [0, 1], [0, 0]], atol=1e-12)
    assert distance.argmin() == 2  # what is up is near
    side, _ = project(points, (90, 0))
    np.testing.assert_allclose(side[:, 0], [0, 1, 0], atol=1e-12)
    with pytest.raises(ValueError, match="got 'below'"):
        project(points, 'below')


def test_sheet_is_the_right_way_up():
    sheet = draw_sheet([clip(title='video')], 'half', num_frames=3)
    body = sheet[: int(0.85 * len(sheet))]  # without the legend
    assert sheet.dtype == np.uint8 and sheet.shape[0] % 2 == sheet.shape[1] % 2 == 0
    assert where(body, RED)[0] < where(body, BLUE)[0]
    legend = sheet[int(0.85 * len(sheet)) :]
    assert where(legend, RED)[1] < where(legend, BLUE)[1]
    assert draw_sheet([clip()] * 2).shape[0] > 1.4 * draw_sheet([clip()]).shape[0]


def test_near_points_are_in_front():
    points = np.repeat([[0.0, 0, 9], [0, 0, 1]], 30, axis=0)  # the near ones last and first
    value = np.repeat([0, 1], 30)
    for order in (np.arange(60), np.arange(60)[::-1]):
        layer = Layer([value[order]], 'ab', [RED, BLUE])
        image = draw_sheet([PointClip([points[order]], {'x': layer})], 'x')
        body = image[: int(0.8 * len(image))]
        assert not (np.abs(body.astype(int) - RED) < 8).all(axis=-1).any()


def test_dollars_are_no_formula():
    """Between two of them Matplotlib would read one, and fail at what is none."""
    odd = r'$\folder_1$'
    shown = clip(2, (odd, '$'), title=odd, frame_names=[odd, odd])
    shown.layers[odd] = Layer([np.arange(120.0)] * 2)
    for color in ('half', odd):
        assert draw_sheet([shown], color, title=odd).std() > 0
        assert len(list(draw_frames([shown], color, title=odd))) == 2


def test_frames_move():
    pictures = list(draw_frames([clip(), clip(2)], 'half'))
    assert len(pictures) == 3 and len({p.shape for p in pictures}) == 1
    left = [p[: int(0.8 * len(p)), : p.shape[1] // 2] for p in pictures]
    columns = [where(p, RED)[1] for p in left]
    assert columns[0] < columns[1] < columns[2]
    right = [p[int(0.1 * len(p)) :, p.shape[1] // 2 :] for p in pictures]
    np.testing.assert_array_equal(right[1], right[2])  # a shorter clip stays


def test_gif_and_mp4(tmp_path):
    iio = pytest.importorskip('imageio.v3')
    pytest.importorskip('imageio_ffmpeg')
    pictures = list(draw_frames([clip(4)], 'half'))
    (gif,) = write_clips(tmp_path / 'a.gif', [clip(4)], 'half', fps=5)
    read = iio.imread(gif)
    assert read.shape[0] == 4 and abs(read.shape[1] - 0.7 * pictures[0].shape[0]) < 3
    assert iio.immeta(gif)['duration'] == 200
    (film,) = write_clips(tmp_path / 'a.mp4', [clip(4)], 'half', fps=8)
    frames = iio.imread(film, plugin='FFMPEG')
    assert frames.shape == (4, *pictures[0].shape)
    assert np.abs(frames[2].astype(int) - pictures[2]).mean() < 6
    assert iio.immeta(film, plugin='FFMPEG')['fps'] == 8
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.gif', 'a.mp4']
    with pytest.raises(ValueError, match='at least one picture'):
        write_gif(tmp_path / 'b.gif', [])
    assert not (tmp_path / 'b.gif').exists()


@pytest.mark.parametrize('kind', ['ply', 'pcd'])
@pytest.mark.parametrize('color', ['half', 'height'])
def test_point_files(tmp_path, kind, color):
    shown = clip(2)
    paths = write_clips(tmp_path / f'x.{kind}', [shown], color)
    assert [p.name for p in paths] == [f'00000{i}.{kind}' for i in range(2)]
    for t, path in enumerate(paths):
        frame = read_point_file(path)
        np.testing.assert_array_equal(frame.xyz, shown.frames[t])
        np.testing.assert_array_equal(frame.channels['rgb'], shown.layers[color].rgb(t))
        np.testing.assert_allclose(frame.channels[color], shown.layers[color].values[t])
    assert write_clips(tmp_path / f'y.{kind}', [shown] * 2, color)[-1].parent.name == '01'


@pytest.mark.parametrize('kind', ['ply', 'pcd'])
def test_open3d_reads_point_files(tmp_path, kind):
    open3d = pytest.importorskip('open3d', exc_type=ImportError)
    shown = clip(1)
    (path,) = write_points(tmp_path, shown, 'half', kind)
    cloud = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(cloud.points), shown.frames[0])
    np.testing.assert_allclose(np.asarray(cloud.colors) * 255, shown.layers['half'].rgb(0))


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="one of .*'.html'"):
        write_clips(tmp_path / 'a.jpg', [clip()])
    with pytest.raises(ValueError, match='at least one clip'):
        write_clips(tmp_path / 'a.png', [])
    with pytest.raises(ValueError, match='one layer for 1 clips'):
        draw_sheet([clip()], ['half', 'height'])
    with pytest.raises(ValueError, match="one of .*'half'.*got 'part'"):
        draw_sheet([clip()], 'part')
    with pytest.raises(ValueError, match="file_format: .*got 'xyz'"):
        write_points(tmp_path, clip(), 'half', 'xyz')
    with pytest.raises(ImportError, match=r'pip install "mmpointvideo\[vis\]"'):
        require('no_such_package', 'pages')
    assert not list(tmp_path.iterdir())
