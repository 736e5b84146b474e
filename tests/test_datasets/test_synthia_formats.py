"""Raw and published Synthia 4D: what is read is what was there, and damage is told."""

import gzip
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.conversion.synthia import (
    SceneSampling,
    convert_synthia_npz,
    convert_synthia_sequence,
    frame_rng,
    sample_scene,
    write_synthia_annotations,
)
from mmpointvideo.datasets.formats.synthia import (
    VIEWS,
    SynthiaCloud,
    list_frames,
    read_cloud,
    read_intrinsics,
    read_npz_cloud,
    read_pose,
    read_view,
    view_path,
)
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.synthia4d import Synthia4DDataset
from mmpointvideo.datasets.synthia4d_facts import (
    CLASSES,
    LABEL_FREQUENCIES,
    OFFICIAL_SEQUENCES,
    class_weights,
)
from mmpointvideo.simulation.street_shapes import Label, yaw_rotation
from mmpointvideo.simulation.streets import render_view

from .synthia_scene import (
    BOX_MIDDLE,
    BOX_SIZE,
    BOX_YAW,
    CAMERA,
    WALL_Z,
    known_scene,
    observer_pose,
    write_known_sequence,
)

pytest.importorskip('numba')
cv2 = pytest.importorskip('cv2')

ALL_POINTS = SceneSampling(num_points=10**6, downsample=1.0)


@pytest.fixture(scope='module')
def known(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('raw') / 'SEQ'
    write_known_sequence(root, 3)
    return root


@pytest.fixture
def sequence(known, tmp_path) -> Path:
    """A copy that a test may damage."""
    root = tmp_path / 'SEQ'
    shutil.copytree(known, root)
    return root


def test_known_geometry_comes_back(known, tmp_path):
    """Planes and boxes, in the world, in every frame and view, to the depth quantisation."""
    store_path = tmp_path / 'SEQ.pvs'
    convert_synthia_sequence(known, store_path, ALL_POINTS)
    store = PointVideoStore(store_path)
    assert store.meta['frame_ids'] == [0, 1, 2]
    seen_sides = set()
    for frame in range(3):
        center = observer_pose(frame, VIEWS[0])[:3, 3]
        np.testing.assert_allclose(store.meta['centers'][frame], center, atol=1e-12)
        batch = store.read([frame])
        xyz, label = batch.xyz.astype(np.float64), batch.channels['label']
        assert set(np.unique(label)) == {Label.ROAD, Label.BUILDING, Label.CAR}
        # half a centimetre along the optical axis: at most so much along a ray of 90 degrees,
        # and float32's rounding at 100 m
        off = 0.005 * np.sqrt(1 + 1 + 0.75**2) + 2e-5
        assert np.abs(xyz[label == Label.ROAD, 1]).max() < off
        assert np.ptp(xyz[label == Label.ROAD, 0]) > 30
        wall = xyz[label == Label.BUILDING]
        assert len(wall) > 200
        assert np.abs(wall[:, 2] - WALL_Z).max() < off
        # the box's faces, in its own axes
        own = (xyz[label == Label.CAR] - BOX_MIDDLE) @ yaw_rotation(BOX_YAW)
        beyond = np.abs(own) - np.array(BOX_SIZE) / 2
        assert np.abs(beyond.max(axis=1)).max() < off
        side = beyond.argmax(axis=1)
        front = own[range(len(side)), side] > 0
        seen_sides |= {(int(s), bool(v)) for s, v in zip(side, front, strict=True)}
    assert len(seen_sides) >= 2


def test_all_four_views_are_merged_with_their_colours(known):
    cloud = read_cloud(known, 1)
    pixels = CAMERA.width * CAMERA.height
    assert cloud.xyz.shape == (4 * pixels, 3)
    for i, view in enumerate(VIEWS):
        pose = observer_pose(1, view)
        images = render_view(known_scene(), pose, CAMERA)
        part = slice(i * pixels, (i + 1) * pixels)
        np.testing.assert_array_equal(cloud.rgb[part], images.rgb.reshape(-1, 3))
        np.testing.assert_array_equal(cloud.label[part], images.label.ravel())
        camera = (cloud.xyz[part] - pose[:3, 3]) @ pose[:3, :3]
        np.testing.assert_allclose(camera[:, 2], images.depth.ravel() / 100, atol=1e-6)


def test_raw_files_have_the_published_conventions(known):
    """Read with a literal transcription of the layout, not with our reader."""
    lines = (known / 'CameraParams' / 'intrinsics.txt').read_text().split('\n')
    focal, cx, cy = float(lines[0]), float(lines[2]), float(lines[4])
    pose = observer_pose(2, 'Omni_L')
    text = (known / 'CameraParams/Stereo_Left/Omni_L/000002.txt').read_text()
    matrix = np.reshape([float(x) for x in text.split(' ')], [4, 4]).T
    np.testing.assert_allclose(matrix[:3, :3], pose[:3, :3])
    np.testing.assert_allclose(-matrix[:3, 3], pose[:3, 3])
    depth = cv2.imread(str(known / 'Depth/Stereo_Left/Omni_L/000002.png'), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and depth.ndim == 3
    label = cv2.imread(str(known / 'GT/LABELS/Stereo_Left/Omni_L/000002.png'), -1)[:, :, -1]
    v, u = 30, 20
    d = depth[v, u, 0] / 100
    point = matrix[:3, :3] @ [-(u - cx) / focal * d, (v - cy) / focal * d, d] - matrix[:3, 3]
    cloud = read_cloud(known, 2)
    index = VIEWS.index('Omni_L') * label.size + v * label.shape[1] + u
    np.testing.assert_allclose(cloud.xyz[index], point, atol=1e-9)
    assert cloud.label[index] == label[v, u]


def test_sampling_crops_drops_and_thins_out(known):
    cloud = read_cloud(known, 0)
    sampling = SceneSampling(num_points=500, downsample=4.0, radius=12.0, seed=3)
    sampled = sample_scene(cloud, sampling, frame_rng(3, 'SEQ', 0))
    again = sample_scene(cloud, sampling, frame_rng(3, 'SEQ', 0))
    other = sample_scene(cloud, sampling, frame_rng(3, 'SEQ', 1))
    np.testing.assert_array_equal(sampled.xyz, again.xyz)
    assert not np.array_equal(sampled.xyz, other.xyz)
    assert sampled.xyz.shape == (500, 3)
    assert np.abs(sampled.xyz - cloud.center).max() < 12.0
    assert not np.isin(sampled.label, (1, 13, 14)).any()

    # every kept point is a pixel, with its own colour and label
    def rows(c: SynthiaCloud) -> list[tuple]:
        parts = zip(c.xyz.tolist(), c.rgb.tolist(), c.label.tolist(), strict=True)
        return [(*xyz, *rgb, label) for xyz, rgb, label in parts]

    assert set(rows(sampled)) <= set(rows(cloud))
    assert len({tuple(p) for p in sampled.xyz}) == 500
    few = sample_scene(cloud, SceneSampling(10**6, downsample=10.0), frame_rng(0, 'a', 0))
    near = np.abs(cloud.xyz - cloud.center).max(1) < 25
    assert len(few.xyz) == int((near & (cloud.label != 1)).sum() / 10)


def test_draw_is_proportional_to_the_distance():
    xyz = np.zeros((20000, 3))
    xyz[:, 0] = np.where(np.arange(20000) % 2, 2.0, 6.0)
    cloud = SynthiaCloud(xyz, np.zeros((20000, 3), np.uint8), np.full(20000, 3, np.uint8),
                         np.zeros(3))  # fmt: skip
    drawn = sample_scene(cloud, SceneSampling(10**6, downsample=50), np.random.default_rng(0))
    far = (drawn.xyz[:, 0] == 6).mean()
    assert far == pytest.approx(0.75, abs=0.05)  # 3 sigma of 400 draws is 0.065
    reserved = cloud._replace(label=np.array([1, 13, 14, 3] * 5000, np.uint8))
    kept = sample_scene(reserved, SceneSampling(10**6, downsample=1), np.random.default_rng(0))
    assert (kept.label == 3).all() and len(kept.label) == 5000


@pytest.mark.parametrize('what', ['rgb', 'depth', 'label', 'pose'])
def test_missing_files(sequence, tmp_path, what):
    view_path(sequence, what, 'Omni_R', 1).unlink()
    complete, lacking = list_frames(sequence)
    assert complete == [0, 2] and list(lacking) == [1] and len(lacking[1]) == 1
    with pytest.raises(FileNotFoundError, match=r'frame 1 lacks .*Omni_R/000001.*skip-incomplete'):
        convert_synthia_sequence(sequence, tmp_path / 'a.pvs', ALL_POINTS)
    assert not (tmp_path / 'a.pvs').exists()
    report = convert_synthia_sequence(
        sequence, tmp_path / 'a.pvs', ALL_POINTS, skip_incomplete=True
    )
    assert report.num_frames == 2 and report.repairs == ['frame 1 left out: 1 files missing']
    assert PointVideoStore(tmp_path / 'a.pvs').meta['frame_ids'] == [0, 2]


def test_missing_view_or_sequence(sequence, tmp_path):
    shutil.rmtree(sequence / 'Depth' / 'Stereo_Left' / 'Omni_B')
    with pytest.raises(FileNotFoundError, match='3 frames are incomplete.*Depth.*Omni_B'):
        convert_synthia_sequence(sequence, tmp_path / 'a.pvs')
    with pytest.raises(FileNotFoundError, match='no frame has all four views'):
        convert_synthia_sequence(sequence, tmp_path / 'a.pvs', skip_incomplete=True)
    with pytest.raises(FileNotFoundError, match='expected a raw SYNTHIA sequence'):
        list_frames(tmp_path / 'nothing')


def test_damaged_images(sequence):
    depth = view_path(sequence, 'depth', 'Omni_F', 0)
    good = depth.read_bytes()
    image = cv2.imread(str(depth), -1)
    cv2.imwrite(str(depth), image[:-1])
    with pytest.raises(ValueError, match=r'Omni_F.000000.png: expected the size \(48, 64\)'):
        read_view(sequence, 'Omni_F', 0)
    cv2.imwrite(str(depth), (image // 256).astype(np.uint8))
    with pytest.raises(ValueError, match='expected a 16-bit image'):
        read_view(sequence, 'Omni_F', 0)
    depth.write_bytes(good[: len(good) // 4])
    with pytest.raises(ValueError, match='Omni_F'):
        read_view(sequence, 'Omni_F', 0)
    depth.write_bytes(b'')
    with pytest.raises(ValueError, match='not a readable image'):
        read_view(sequence, 'Omni_F', 0)
    depth.write_bytes(good)
    label = view_path(sequence, 'label', 'Omni_F', 0)
    image = cv2.imread(str(label), -1)
    image[3, 4, 2] = 16
    cv2.imwrite(str(label), image)
    with pytest.raises(ValueError, match='unknown label id 16, expected 0..15'):
        read_view(sequence, 'Omni_F', 0)


def test_views_of_different_sizes(sequence):
    for what in ('rgb', 'depth', 'label'):
        path = view_path(sequence, what, 'Omni_L', 0)
        cv2.imwrite(str(path), cv2.imread(str(path), -1)[:40])
    with pytest.raises(ValueError, match=r'Omni_L.*expected the size \(48, 64\) of the other'):
        read_cloud(sequence, 0)


def test_damaged_text_files(sequence):
    intrinsics = sequence / 'CameraParams' / 'intrinsics.txt'
    for text in ('', '532.7\n\n640\n', 'a\n\nb\n\nc\n', '0\n\n1\n\n1\n', 'nan\n\n1\n\n1\n'):
        intrinsics.write_text(text)
        with pytest.raises(ValueError, match='intrinsics.txt'):
            read_intrinsics(intrinsics)
    pose = view_path(sequence, 'pose', 'Omni_F', 0)
    for numbers in ([1] * 15, ['x'] * 16, [0] * 16, np.eye(4).ravel() * 2, [*[1e400] * 16]):
        pose.write_text(' '.join(str(n) for n in numbers))
        with pytest.raises(ValueError, match='000000.txt'):
            read_pose(pose)


def test_conversion_resumes_and_notices_changes(sequence, tmp_path):
    path = tmp_path / 'SEQ.pvs'
    sampling = SceneSampling(300, downsample=2.0)
    first = convert_synthia_sequence(sequence, path, sampling)
    content = path.read_bytes()
    assert (first.status, first.num_frames, first.points_per_frame) == ('converted', 3, 300)
    assert convert_synthia_sequence(sequence, path, sampling).status == 'existing'
    assert convert_synthia_sequence(sequence, path, sampling, overwrite=True).status == 'converted'
    assert path.read_bytes() == content  # seeded
    more = SceneSampling(300, downsample=2.0, seed=1)
    assert convert_synthia_sequence(sequence, path, more).status == 'converted'
    assert path.read_bytes() != content
    view_path(sequence, 'rgb', 'Omni_F', 0).touch()
    assert convert_synthia_sequence(sequence, path, more).status == 'converted'


def write_npz(path: Path, n: int = 50, **changes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    arrays = dict(
        pc=rng.normal(size=(n, 3)).astype(np.float32),
        rgb=(rng.integers(0, 256, (n, 3)) / 255.0).astype(np.float32),
        semantic=rng.choice([0, 2, 3, 12, 15], n).astype(np.int32),
        center=rng.normal(size=3),
    )
    arrays.update(changes)
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return arrays


def test_published_npz(tmp_path):
    paths = [tmp_path / f'SYNTHIA-SEQS-02-WINTER-{n:06d}.npz' for n in (896, 898, 897)]
    truth = {path: write_npz(path, 40 + i) for i, path in enumerate(paths)}
    store_path = tmp_path / 'videos' / 'SYNTHIA-SEQS-02-WINTER.pvs'
    assert convert_synthia_npz(paths, store_path).status == 'converted'
    assert convert_synthia_npz(paths, store_path).status == 'existing'
    store = PointVideoStore(store_path)
    assert store.meta['frame_ids'] == [896, 897, 898]
    for i, path in enumerate(sorted(paths)):
        batch, arrays = store.read([i]), truth[path]
        np.testing.assert_array_equal(batch.xyz, arrays['pc'])
        np.testing.assert_array_equal(batch.channels['label'], arrays['semantic'])
        np.testing.assert_allclose(batch.channels['rgb'] / 255, arrays['rgb'], atol=1e-6)
        np.testing.assert_array_equal(store.meta['centers'][i], arrays['center'])
    # 897 is stored but not in the published list: a predecessor, never a labelled frame
    name = 'SYNTHIA-SEQS-02-WINTER'
    write_synthia_annotations(tmp_path, [name], {}, 'npz')
    (entry,) = read_annotations(tmp_path / 'annotations.json')['data_list']
    assert entry['split'] == 'train'
    assert entry['frame_ids'] == [896, 897, 898] and entry['labelled_frames'] == [896, 898]
    (tmp_path / 'again').mkdir()
    again = shutil.copy(paths[1], tmp_path / 'again' / paths[1].name.replace('.npz', '.NPZ'))
    with pytest.raises(ValueError, match='frame 898 is there twice') as error:
        convert_synthia_npz([*paths, Path(again)], store_path)
    assert str(paths[1]) in str(error.value) and str(again) in str(error.value)


def test_frames_with_an_empty_half_or_none_are_named(tmp_path):
    paths = [tmp_path / f'OWN-{n:06d}.npz' for n in range(4)]
    for n, path in enumerate(paths):
        pc = np.random.default_rng(n).uniform(-1, 1, (30, 3)).astype(np.float32)
        pc[:, 2] = np.abs(pc[:, 2]) + 0.1 if n == 2 else pc[:, 2]
        changes = dict(pc=pc, center=np.zeros(3), semantic=np.full(30, 2, np.int32))
        if n == 1:  # all of it is sky, which is dropped
            changes['semantic'] = np.full(30, 1, np.int32)
        write_npz(path, 30, **changes)
    report = convert_synthia_npz(paths, tmp_path / 'videos' / 'OWN.pvs')
    assert 'frames [2] have points on one side of their centre only' in report.repairs
    write_synthia_annotations(tmp_path, ['OWN'], {'OWN': 'train'}, 'npz')
    (entry,) = read_annotations(tmp_path / 'annotations.json')['data_list']
    assert entry['labelled_frames'] == [0, 2, 3] and entry['one_sided_frames'] == [2]
    options = dict(ann_file='annotations.json', data_root=tmp_path, split='train')
    assert Synthia4DDataset(**options).num_labelled_frames == 2
    assert Synthia4DDataset(**options, halves=False).num_labelled_frames == 3


def test_damaged_npz(tmp_path):
    path = tmp_path / 'A-000000.npz'
    cases = (
        (dict(pc=np.array([{}], object)), 'not a published'),
        (dict(semantic=None), 'expected an array'),
        (dict(rgb=np.zeros((49, 3))), r'rgb \(n, 3\)'),
        (dict(rgb=np.full((50, 3), 200.0)), '0..1'),
        (dict(semantic=np.full(50, 23)), 'unknown label id'),
        (dict(pc=np.full((50, 3), np.nan)), 'NaN'),
    )
    for changes, text in cases:
        write_npz(path, **changes)
        with pytest.raises(ValueError, match=text):
            read_npz_cloud(path)
    path.write_bytes(b'PK\x03\x04 not a zip file')
    with pytest.raises(ValueError, match='not a published'):
        read_npz_cloud(path)
    with pytest.raises(FileNotFoundError):
        read_npz_cloud(tmp_path / 'B-000000.npz')
    write_npz(tmp_path / 'B-000000.npz')
    write_npz(path)
    with pytest.raises(ValueError, match='one sequence'):
        convert_synthia_npz([path, tmp_path / 'B-000000.npz'], tmp_path / 'x.pvs')
    (tmp_path / 'odd.npz').write_bytes(b'')
    with pytest.raises(ValueError, match='expected a name like'):
        convert_synthia_npz([tmp_path / 'odd.npz'], tmp_path / 'x.pvs')


def test_official_lists(shared_dir):
    """The compact table says what the published lists say."""
    for split, count in (('train', 19888), ('val', 815), ('test', 1886)):
        with gzip.open(shared_dir / 'data/synthia4d' / f'{split}_raw.txt.gz', 'rt') as file:
            parts = [line.split()[0].split('/') for line in file]
        listed = {(name, int(cloud[:6])) for name, _, cloud in parts}
        ours = {
            (name, frame)
            for name, facts in OFFICIAL_SEQUENCES.items()
            if facts.split == split
            for frame in facts.frames()
        }
        assert len(parts) == count and listed == ours


def test_class_frequencies_and_weights(shared_dir):
    lines = (shared_dir / 'data/synthia4d/label_frequencies.txt').read_text().splitlines()
    rows = [line.split('\t') for line in lines if not line.startswith('#')]
    assert [row[1] for row in rows] == list(CLASSES)
    assert [float(row[2]) for row in rows] == list(LABEL_FREQUENCIES)
    weights = 1 / np.log(1.2 + np.array(LABEL_FREQUENCIES))
    np.testing.assert_allclose(class_weights(), weights / weights.min())


def test_config_holds_the_same_numbers(root):
    from mmengine.config import Config

    from mmpointvideo.datasets.synthia4d_facts import IGNORED_IDS, LABEL_IDS

    cfg = Config.fromfile(root / 'configs/_base_/datasets/synthia4d.py')
    np.testing.assert_allclose(cfg.class_weights, class_weights(), atol=1e-6)
    assert tuple(cfg.label_ids) == LABEL_IDS and tuple(cfg.ignored_ids) == IGNORED_IDS
    assert json.loads(json.dumps(cfg.class_weights))[0] == 1.0


def test_missing_packages_are_named(known, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv2', None)
    with pytest.raises(ImportError, match='pip install opencv-python-headless'):
        read_view(known, 'Omni_F', 0)
    monkeypatch.setitem(sys.modules, 'mmpointvideo.simulation.street_raycast', None)
    with pytest.raises(ImportError, match='pip install numba'):
        render_view(known_scene(), observer_pose(0, 'Omni_F'), CAMERA)
