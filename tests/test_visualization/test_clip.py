"""Clips to be looked at: what is refused, which way is up, which colours."""

import numpy as np
import pytest

from mmpointvideo.datasets.storage import PointVideoStore, PointVideoWriter
from mmpointvideo.simulation.bodies import PART_NAMES
from mmpointvideo.testing import write_tiny_dataset
from mmpointvideo.visualization import Layer, PointClip, categorical_palette, clip_from_store
from mmpointvideo.visualization.clip import label_layer
from mmpointvideo.visualization.colors import (
    IGNORED_COLOR,
    PART_COLORS,
    check_palette,
    scalar_colors,
    simulate_deficiency,
)


def frames(counts=(5, 3)):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 3)).astype(np.float32) for n in counts]


def test_up():
    clip = PointClip([np.array([[1.0, 2.0, 3.0]])])
    np.testing.assert_array_equal(clip.upright()[0], [[1, 3, -2]])
    np.testing.assert_array_equal(clip.layers['height'].values[0], [-2])
    up = PointClip([np.array([[1.0, 2.0, 3.0]])], up='y').upright()[0]
    np.testing.assert_array_equal(up, [[1, -3, 2]])
    for name in ('-y', 'y', 'z'):  # no mirror image: (right, away, up) is right-handed
        axes = PointClip([np.eye(3)], up=name).upright()[0]
        assert np.linalg.det(axes) == pytest.approx(1)


@pytest.mark.parametrize(
    ('points', 'message'),
    [
        ([np.zeros((0, 3))], 'is empty'),
        ([], 'is empty'),
        ([np.array([[0, np.nan, 1]])], 'NaN or infinite coordinates in frame 0'),
        ([np.zeros((2, 2))], r'expected \(n, 3\)'),
    ],
)
def test_bad_points(points, message):
    with pytest.raises(ValueError, match=message):
        PointClip(points, title='x')


def test_bad_layers():
    with pytest.raises(ValueError, match="layer 'prediction': label 7 in frame 1 is outside the"):
        PointClip(frames(), {'prediction': Layer([np.zeros(5, int), np.full(3, 7)], ['a', 'b'])})
    with pytest.raises(ValueError, match='expected one value for each'):
        PointClip(frames(), {'x': Layer([np.zeros(5), np.zeros(4)])})
    with pytest.raises(TypeError, match='expected integers'):
        PointClip(frames(), {'x': Layer([np.zeros(5), np.zeros(3)], ['a'])})
    with pytest.raises(ValueError, match='NaN'):
        PointClip(frames(), {'x': Layer([np.zeros(5), np.full(3, np.nan)], limits=(0, 1))})
    with pytest.raises(ValueError, match='expected 3 colours'):
        Layer([np.zeros(5, int)], 'abc', [(0, 0, 0)] * 2)
    with pytest.raises(ValueError, match=r"expected one of \['height'\], got 'part'"):
        PointClip(frames()).layer('part')


def test_colors_of_a_layer():
    layer = Layer([np.array([0, 1, 255])], ['a', 'b'], [(1, 2, 3), (4, 5, 6)], ignore_index=255)
    np.testing.assert_array_equal(layer.rgb(0), [(1, 2, 3), (4, 5, 6), IGNORED_COLOR])
    assert layer.used() == [0, 1]
    ramp = Layer([np.array([0.0, 5.0, 10.0])], colormap='gray').rgb(0)
    np.testing.assert_array_equal(ramp, [[0] * 3, [128] * 3, [255] * 3])
    np.testing.assert_array_equal(scalar_colors(np.array([-9, 9]), (0, 1), 'gray')[:, 0], [0, 255])


def test_pick_and_thin_keep_values_with_their_points():
    clip = PointClip(frames((50, 40, 30)), frame_names=['a', 'b', 'c'])
    clip = clip.pick([2, 0]).thin(20, np.random.default_rng(0))
    assert clip.frame_names == ['c', 'a'] and [len(f) for f in clip.frames] == [20, 20]
    for frame, value in zip(clip.frames, clip.layers['height'].values, strict=True):
        np.testing.assert_array_equal(-frame[:, 1], value)


def test_stored_video(tmp_path):
    write_tiny_dataset(tmp_path, num_classes=1, subjects=(1,), num_frames=(6,))
    path = tmp_path / 'videos' / 'a01_s01_e01.pvs'
    clip = clip_from_store(path, [4, 1], max_points=None)
    batch = PointVideoStore(path).read([4, 1])
    np.testing.assert_array_equal(np.concatenate(clip.frames), batch.xyz)
    part = clip.layers['part']  # nothing says what the values mean: they are numbered
    names = np.array(part.names)[np.concatenate(part.values)].astype(int)
    np.testing.assert_array_equal(names, batch.channels['part'])
    assert part.names == ('1', '2') and clip.frame_names == ['frame 4', 'frame 1']
    assert [len(f) for f in clip_from_store(path, max_points=10).frames] == [10] * 6


@pytest.mark.parametrize(
    'meta', [dict(part_names=PART_NAMES), dict(conversion={'source': 'skeleton'})]
)
def test_parts_of_the_simulation_have_names_and_colours(meta):
    layer = label_layer('part', [np.array([1, 15])], meta)
    assert layer.names == PART_NAMES
    np.testing.assert_array_equal(layer.rgb(0), [PART_COLORS[1], PART_COLORS[15]])
    own = label_layer('part', [np.array([1])], dict(part_names=['a', 'b']))
    assert own.names == ('a', 'b') and own.values[0].tolist() == [1]


@pytest.mark.parametrize(
    'classes_of_points', [dict(label_ids=[3, 300]), dict(task='semantic_segmentation')]
)
def test_labels_are_classes_where_the_data_set_says_so(classes_of_points):
    values = [np.array([0, 1, 3, 300, 70000, -1])]
    layer = label_layer('label', values, dict(classes=['road', 'car'], **classes_of_points))
    ids = 'label_ids' in classes_of_points
    assert layer.values[0].tolist() == ([255, 255, 0, 1, 255, 255] if ids else [0, 1, *[255] * 4])
    assert layer.names == ('road', 'car') and layer.ignore_index == 255


def test_channels_of_ones_own_are_numbered(tmp_path):
    """Classes of videos are none of points, and a part is not one of the simulation's."""
    path = tmp_path / 'own.pvs'
    channels = dict(label='int32', part='float32')
    label, part = np.array([-1, 7, 300]), np.array([0, 40, 2], np.float32)
    with PointVideoWriter(path, 'points', channels=channels) as writer:
        for t in range(2):
            writer.append_points(np.eye(3, dtype=np.float32), dict(label=label, part=part + t))
    meta = dict(classes=['jump', 'run'], task='action_recognition')
    layers = clip_from_store(path, meta=meta).layers
    assert layers['label'].names == ('-1', '7', '300')
    assert layers['part'].names == ('0', '1', '2', '3', '40', '41')
    assert layers['label'].values[1].tolist() == [0, 1, 2]
    palette = categorical_palette(30)
    np.testing.assert_array_equal(layers['label'].rgb(0), [palette[29], palette[7], palette[0]])
    for values in (np.arange(300), np.array([0.5, 1.0])):  # too many to name, no whole numbers
        layer = label_layer('label', [values], meta)
        assert layer.names is None and layer.limits == (values.min(), values.max())
    with PointVideoWriter(path, 'points', channels=dict(label=('uint8', 2))) as writer:
        writer.append_points(np.eye(3, dtype=np.float32), dict(label=np.ones((3, 2), np.uint8)))
    assert list(clip_from_store(path).layers) == ['height']


def distances(colors, kind=None):
    """Distances between all pairs, in CIE Lab, as somebody with that deficiency sees them."""
    seen = np.asarray(colors) / 255 if kind is None else simulate_deficiency(colors, kind)
    linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(matrix).T / [0.9505, 1, 1.089]
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack(
        [116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])],
        axis=1,
    )
    return np.linalg.norm(lab[:, None] - lab[None], axis=-1)


@pytest.mark.parametrize('kind', [None, 'protan', 'deutan', 'tritan'])
def test_colours_can_be_told_apart(kind):
    """2.3 is a just noticeable difference in CIE Lab."""
    prototypes = distances(np.array(categorical_palette(10)), kind)
    assert prototypes[~np.eye(10, dtype=bool)].min() > 10
    parts = distances(np.array(PART_COLORS), kind)
    neighbours = [(1, 2), (2, 3), (2, 4), (4, 5), (5, 6), (2, 7), (7, 8), (8, 9), (3, 10)]
    neighbours += [(10, 11), (11, 12), (3, 13), (13, 14), (14, 15), (10, 13), (11, 14), (12, 15)]
    assert min(parts[a, b] for a, b in neighbours) > 15


def test_palettes():
    colors = categorical_palette(30)
    assert len(set(colors)) == 30 and categorical_palette(31)[30] == colors[0]
    with pytest.raises(ValueError, match='at least 1'):
        categorical_palette(0)
    with pytest.raises(ValueError, match='0..255'):
        check_palette([(0, 0, 300)], 1)
    with pytest.raises(ValueError, match='kind'):
        simulate_deficiency(np.zeros((1, 3)), 'blue')
