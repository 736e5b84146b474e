"""Scenes as clips: items, halves, labels, packing, and the way back to the whole scene."""

import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmpointvideo.apis.scenes import find_scenes, score_scenes, segment_scene, segment_scenes
from mmpointvideo.datasets.annotations import read_annotations, write_annotations
from mmpointvideo.datasets.scene_merge import ScenePart, merge_scene, propagate_labels
from mmpointvideo.datasets.storage import FrameBatch, PointVideoStore, PointVideoWriter
from mmpointvideo.datasets.synthia4d import Synthia4DDataset
from mmpointvideo.datasets.synthia4d_facts import (
    CLASSES,
    IGNORED_IDS,
    LABEL_IDS,
    OFFICIAL_SEQUENCES,
)
from mmpointvideo.datasets.transforms import (
    CenterScene,
    CropHalfScene,
    MapPointLabels,
    PackSceneInputs,
    RandomColor,
    ScaleFeatures,
)
from mmpointvideo.registry import DATASETS

META = dict(dataset_type='Synthia4DDataset', task='semantic_segmentation', classes=list(CLASSES))
IDS = {'A-0': [0, 1, 2, 3, 4, 5], 'A-1': [3, 4, 6, 7], 'B-0': [0, 1, 2]}
SPLITS = {'A-0': 'train', 'A-1': 'train', 'B-0': 'test'}


@pytest.fixture(scope='module')
def data_root(tmp_path_factory) -> Path:
    """Two training videos, of which one has a gap (frame 5), and a test video."""
    root = tmp_path_factory.mktemp('scenes')
    rng = np.random.default_rng(0)
    entries = []
    for name, ids in IDS.items():
        path = f'videos/{name}.pvs'
        channels = dict(rgb=('uint8', 3), label='uint8')
        centers = [[100.0 + n, -2.0, 50.0 - n] for n in ids]
        with PointVideoWriter(root / path, 'points', channels=channels) as writer:
            for i, center in enumerate(centers):
                n = 200 + 10 * i
                xyz = center + rng.uniform(-20, 20, (n, 3)) * (1, 0.2, 1)
                label = rng.choice([0, *LABEL_IDS], n).astype(np.uint8)
                rgb = rng.integers(0, 256, (n, 3), dtype=np.uint8)
                writer.append_points(xyz, dict(rgb=rgb, label=label))
        entries.append(
            dict(video_id=name, video_path=path, num_frames=len(ids), split=SPLITS[name],
                 frame_ids=ids, centers=centers, labelled_frames=ids)
        )  # fmt: skip
    write_annotations(root / 'annotations.json', META, entries)
    return root


def make(root: Path, **options) -> Synthia4DDataset:
    return Synthia4DDataset(**dict(dict(ann_file='annotations.json', data_root=root), **options))


def pipeline(num_points: int) -> list[dict]:
    return [
        dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
        dict(type='CropHalfScene', context=1.0),
        dict(type='CenterScene'),
        dict(type='SamplePoints', num_points=num_points, empty_frame='nearest'),
        dict(type='ScaleFeatures', factor=1 / 255),
        dict(type='MapPointLabels', label_ids=LABEL_IDS, ignored_ids=IGNORED_IDS),
        dict(type='PackSceneInputs'),
    ]


def test_items_are_chronological_and_the_labelled_frame_is_last(data_root):
    data = make(data_root, split='train', num_frames=3)
    assert len(data) == 2 * (6 + 4)
    items = [data.get_data_info(i) for i in range(len(data))]
    assert [(i['video_id'], i['frame_id'], i['half']) for i in items[:3]] == [
        ('A-0', 0, 0), ('A-0', 0, 1), ('A-0', 1, 0),
    ]  # fmt: skip
    inds = {(i['video_id'], i['frame_id']): i['frame_inds'].tolist() for i in items}
    assert inds['A-0', 0] == [0, 0, 0]
    assert inds['A-0', 1] == [0, 0, 1]
    assert inds['A-0', 5] == [3, 4, 5]
    # A-1 stores frames 3, 4, 6, 7 at positions 0..3: the missing 5 repeats the one found before
    assert inds['A-1', 6] == [1, 2, 2]
    assert inds['A-1', 7] == [2, 2, 3]
    item = items[-1]
    assert item['center'].tolist() == [107.0, -2.0, 43.0] and item['clip_start'] == 3
    assert item['num_clips'] == 8 and item['clip_index'] == 7
    assert item['total_frames'] == 4


def test_options(data_root):
    interval = make(data_root, split='train', num_frames=3, frame_interval=2, halves=False)
    inds = {(i['video_id'], i['frame_id']): i['frame_inds'].tolist()
            for i in map(interval.get_data_info, range(len(interval)))}  # fmt: skip
    assert len(interval) == 10 and interval.get_data_info(0)['half'] is None
    assert inds['A-0', 5] == [1, 3, 5]
    assert inds['A-1', 7] == [0, 3, 3]  # 5 is missing, 3 is there
    whole = make(data_root, split='train', num_frames=2, short_videos='drop', halves=False)
    ids = [whole.get_data_info(i)['frame_id'] for i in range(len(whole))]
    assert ids == [1, 2, 3, 4, 5, 4, 7]
    assert len(make(data_root, split='train', clip_stride=4)) == 2 * (2 + 1)
    assert len(make(data_root, split='train', clips=2)) == 2 * 4
    assert len(make(data_root, split='test')) == 6
    assert len(make(data_root, split='all')) == 26
    assert len(make(data_root, split='all', sequences=['A-1', 'B'])) == 2 * 7
    assert make(data_root, split='test').metainfo['classes'] == CLASSES
    subset = make(data_root, split='train').get_subset([3, 4])
    assert [subset.get_data_info(i)['half'] for i in (0, 1)] == [1, 0]


def test_frames_with_an_empty_half(data_root, tmp_path):
    annotations = read_annotations(data_root / 'annotations.json')
    for entry in annotations['data_list']:
        if entry['video_id'] == 'A-1':
            entry['one_sided_frames'] = [4, 7]
    shutil.copytree(data_root / 'videos', tmp_path / 'videos')
    write_annotations(tmp_path / 'annotations.json', META, annotations['data_list'])
    data = make(tmp_path, split='train')
    assert data.num_labelled_frames == 8 and len(data) == 16
    found = [data.get_data_info(2 * n)['frame_id'] for n in find_scenes(data, 1)]
    assert found == [3, 6]
    assert find_scenes(data, 0) == [0, 1, 2, 3, 4, 5]
    assert make(tmp_path, split='train', halves=False).num_labelled_frames == 10
    for video in (-1, 2):
        with pytest.raises(IndexError, match=rf'video: expected 0..1, got {video}'):
            find_scenes(data, video)


def test_label_fraction(data_root):
    def frames(**options) -> list[tuple]:
        data = make(data_root, split='train', **options)
        items = [data.get_data_info(i) for i in range(len(data))]
        assert [i['half'] for i in items] == [0, 1] * (len(items) // 2)
        return [(i['video_id'], i['frame_id']) for i in items[::2]]

    some = frames(label_fraction=0.3)
    assert len(some) == 3 and some == frames(label_fraction=0.3) and set(some) < set(frames())
    assert len({tuple(frames(label_fraction=0.3, label_seed=s)) for s in range(5)}) > 1
    assert len(frames(label_fraction=0.01)) == 1


def test_bad_options(data_root, tmp_path):
    for options, text in (
        (dict(split='training'), 'split: expected one of'),
        (dict(split='val'), "split:? expected one of .*'test', 'train'"),
        (dict(split='train', sequences='A-0'), 'sequences: expected a list'),
        (dict(split='train', sequences=['B-0']), 'no video of split'),
        (dict(split='train', label_fraction=0.0), 'label_fraction'),
        (dict(split='train', clips='random'), "clips: expected 'all'"),
    ):
        with pytest.raises(ValueError, match=text):
            make(data_root, **options)
    with pytest.raises(TypeError, match='num_frame'):
        make(data_root, split='train', num_frame=3)
    entry = dict(video_id='A', video_path='A.pvs', num_frames=2, split='train', frame_ids=[0, 1],
                 centers=[[0, 0, 0]] * 2, labelled_frames=[1])  # fmt: skip
    for change, text in (
        (dict(frame_ids=[0]), '2 frame_ids'),
        (dict(centers=[[0, 0, 0]]), r'2 centers \(x, y, z\)'),
        (dict(labelled_frames=[2]), 'labelled_frames'),
        (dict(labelled_frames=[]), 'labelled_frames'),
    ):
        write_annotations(tmp_path / 'annotations.json', META, [dict(entry, **change)])
        with pytest.raises(ValueError, match=f'{text}.*synthia4d.py'):
            make(tmp_path, split='train', check_files=False)
    write_annotations(tmp_path / 'annotations.json', META, [entry])
    with pytest.raises(FileNotFoundError, match='A.pvs'):
        make(tmp_path, split='train')
    gaps = dict(num_frames=3, frame_ids=[0, 2, 4], centers=[[0, 0, 0]] * 3, labelled_frames=[4])
    write_annotations(tmp_path / 'annotations.json', META, [dict(entry, **gaps)])
    with pytest.raises(ValueError, match='no labelled frame left'):
        make(tmp_path, split='train', check_files=False, short_videos='drop')


def test_published_numbers_of_frames(tmp_path):
    """19,888 / 815 / 1,886 labelled frames; sequence 04 has 7,257 of the training ones."""
    entries = []
    for name, facts in OFFICIAL_SEQUENCES.items():
        ids = list(range(facts.first, facts.last + 1))
        entries.append(
            dict(video_id=name, video_path=f'{name}.pvs', num_frames=len(ids), frame_ids=ids,
                 split=facts.split, centers=[[0, 0, 0]] * len(ids), labelled_frames=facts.frames())
        )  # fmt: skip
    write_annotations(tmp_path / 'annotations.json', META, entries)
    for split, frames in (('train', 19888), ('val', 815), ('test', 1886), ('all', 22589)):
        data = make(tmp_path, split=split, check_files=False)
        assert len(data) == 2 * frames
    pre = make(tmp_path, split='train', sequences=['SYNTHIA-SEQS-04'], check_files=False,
               num_frames=4, halves=False)  # fmt: skip
    assert len(pre) == 850 + 911 + 813 + 1115 + 936 + 900 + 947 + 785


def frames_at(z: list[list[float]]) -> FrameBatch:
    counts = [len(row) for row in z]
    xyz = np.zeros((sum(counts), 3), np.float32)
    xyz[:, 2] = np.concatenate(z)
    label = np.arange(len(xyz), dtype=np.uint8)
    return FrameBatch(xyz, dict(label=label), np.concatenate([[0], np.cumsum(counts)]))


def crop(z: list[list[float]], half: int | None, context: float = 1.0) -> FrameBatch:
    results = dict(frames=frames_at(z), half=half, center=np.array([0.0, 0.0, 10.0]),
                   frame_inds=np.arange(len(z)), video_id='v', clip_start=0)  # fmt: skip
    return CropHalfScene(context).transform(results)['frames']


def test_halves_cover_every_point_once():
    z = [[10.0, 9.5, 12.0, 10.5, 3.0], [10.9, 11.1, 8.9, 9.0]]
    seen = np.zeros(9, int)
    for half in (0, 1):
        frames = crop(z, half)
        label, mask = frames.channels['label'], frames.channels['loss_mask'].astype(bool)
        seen[label[mask]] += 1
        distance = frames.xyz[:, 2] - 10.0
        np.testing.assert_array_equal(mask, distance > 0 if half == 0 else distance <= 0)
        for t in (0, 1):
            part = slice(frames.offsets[t], frames.offsets[t + 1])
            index = frames.channels['point_index'][part]
            np.testing.assert_array_equal(frames.xyz[part, 2], np.float32(z[t])[index])
    assert (seen == 1).all()
    # half 0 keeps what is less than 1 m behind the cut, half 1 what is less than 1 m before it
    assert sorted(crop(z, 0).channels['label']) == [0, 1, 2, 3, 5, 6]
    assert sorted(crop(z, 1).channels['label']) == [0, 1, 3, 4, 5, 7, 8]
    whole = crop(z, None)
    assert len(whole.xyz) == 9 and whole.channels['loss_mask'].all()
    assert sorted(crop(z, 0, context=0.0).channels['label']) == [2, 3, 5, 6]


def test_empty_half():
    with pytest.raises(ValueError, match='labelled frame 1 has no point in half 0'):
        crop([[12.0], [9.5, 8.0]], 0)  # 9.5 is context only
    frames = crop([[8.0], [12.0]], 0)  # an earlier frame may be empty here
    assert frames.offsets.tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match='half: expected 0, 1 or None, got 2'):
        crop([[8.0]], 2)
    with pytest.raises(ValueError, match='context'):
        CropHalfScene(-1)


def test_center_features_and_labels():
    results = dict(frames=frames_at([[10.25, 7.0]]), center=[1000.0, 0.5, 10.0])
    xyz = CenterScene().transform(results)['frames'].xyz
    np.testing.assert_array_equal(xyz, np.float32([[-1000, -0.5, 0.25], [-1000, -0.5, -3]]))
    points = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    out = ScaleFeatures(0.5, -1.0).transform(dict(points=points.copy()))['points']
    np.testing.assert_array_equal(out[..., :3], points[..., :3])
    np.testing.assert_array_equal(out[..., 3:], points[..., 3:] / 2 - 1)
    mapping = MapPointLabels(LABEL_IDS, IGNORED_IDS)
    stored = np.arange(16, dtype=np.uint8)[None]
    mapped = mapping.transform(dict(point_labels=dict(label=stored)))['point_labels']['label']
    assert mapped.tolist() == [
        [255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 255, 11]
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r'unknown label ids \[16, 200\]'):
        mapping.transform(dict(point_labels=dict(label=np.array([[2, 16, 200]], np.uint8))))
    with pytest.raises(ValueError, match="expected labels 'label'"):
        mapping.transform(dict(point_labels={}))
    with pytest.raises(ValueError, match='different label ids'):
        MapPointLabels((1, 2), (2,))
    with pytest.raises(ValueError, match='CropHalfScene'):
        PackSceneInputs().transform(dict(points=points))


def test_random_color():
    colors = np.random.default_rng(0).uniform(0.3, 0.5, (4, 50, 3)).astype(np.float32)
    points = np.concatenate([np.zeros((4, 50, 3), np.float32), colors], axis=2)
    np.random.seed(0)
    out = RandomColor((0.6, 1.4), (-0.2, 0.2)).transform(dict(points=points.copy()))['points']
    np.testing.assert_array_equal(out[..., :3], 0)
    design = np.stack([colors, np.ones_like(colors)], axis=-1)
    found = np.array(
        [
            [np.linalg.lstsq(design[t, :, c], out[t, :, 3 + c], rcond=None)[0] for c in range(3)]
            for t in range(4)
        ]
    )  # (frame, channel, gain and shift)
    gain, shift = found[..., 0], found[..., 1]
    assert (gain > 0.6).all() and (gain < 1.4).all() and (abs(shift) < 0.2).all()
    np.testing.assert_allclose(shift, shift[:, :1].repeat(3, 1), atol=1e-5)
    assert np.ptp(gain, axis=0).min() > 0.05 and np.ptp(gain, axis=1).min() > 0.05
    bright = RandomColor((1, 1), (0.6, 0.6)).transform(dict(points=points.copy()))['points']
    np.testing.assert_allclose(bright[..., 3:], np.minimum(colors + 0.6, 1), atol=1e-6)
    with pytest.raises(ValueError, match='behind ScaleFeatures'):
        RandomColor().transform(dict(points=points * 255))
    with pytest.raises(ValueError, match='behind ScaleFeatures'):
        RandomColor().transform(dict(points=points[..., :4]))
    with pytest.raises(ValueError, match='gain_range'):
        RandomColor((1.2, 0.8))


def test_packed_items(data_root):
    data = make(data_root, split='train', num_frames=3, test_mode=True, pipeline=pipeline(64))
    packed = data[19]
    points, sample = packed['inputs'], packed['data_samples']
    assert points.shape == (3, 64, 6) and points.dtype == torch.float32
    assert points[..., 3:].min() >= 0 and 0.5 < points[..., 3:].max() <= 1
    for name, dtype in (('gt_pts_seg', torch.int64), ('loss_mask', torch.bool),
                        ('point_index', torch.int64)):  # fmt: skip
        assert sample.get(name).shape == (3, 64) and sample.get(name).dtype == dtype
    assert (sample.half, sample.frame_id, sample.video_id) == (1, 7, 'A-1')
    assert set(np.unique(sample.gt_pts_seg)) <= {*range(12), 255}
    # colours, labels and coordinates belong to the stored point of that number
    batch = PointVideoStore(sample.video_path).read(sample.frame_inds[-1:])
    index = sample.point_index[-1].numpy()
    np.testing.assert_allclose(points[-1, :, :3], batch.xyz[index] - sample.center, atol=1e-5)
    np.testing.assert_allclose(points[-1, :, 3:] * 255, batch.channels['rgb'][index], atol=1e-3)
    wanted = [LABEL_IDS.index(v) if v else 255 for v in batch.channels['label'][index]]
    assert sample.gt_pts_seg[-1].tolist() == wanted
    np.testing.assert_array_equal(sample.loss_mask, points[..., 2] <= 0)
    assert points[..., 2].max() < 1.0
    again = data[19]
    assert torch.equal(points, again['inputs'])


def test_only_the_frames_of_an_item_are_read(data_root, monkeypatch):
    wanted = []
    read = PointVideoStore.read

    def recorded(store, frame_inds, **options):
        wanted.append([int(i) for i in frame_inds])
        return read(store, frame_inds, **options)

    monkeypatch.setattr(PointVideoStore, 'read', recorded)
    data = make(data_root, split='train', num_frames=3, test_mode=True, pipeline=pipeline(64))
    assert not wanted
    size = len(pickle.dumps(data))
    items = [data[idx] for idx in (4, 11, 12, 19)]  # both halves of frames 2 and 5 of A-0, 3 of A-1
    assert len(items) == 4
    assert [sorted(set(frames)) for frames in wanted] == [[0, 1, 2], [3, 4, 5], [0], [2, 3]]
    assert len(pickle.dumps(data)) < size + 1000  # nothing stays


def test_augmentation_is_about_the_center(data_root, root):
    """The shipped pipeline keeps distances to the centre, up to the scale, and the vertical."""
    cfg = Config.fromfile(root / 'configs/_base_/datasets/synthia4d.py')
    steps = [step for step in cfg.train_pipeline if step['type'] != 'SamplePoints']
    steps.insert(3, dict(type='SamplePoints', num_points=64))
    plain = make(data_root, split='train', test_mode=True, pipeline=pipeline(64))
    moved = make(data_root, split='train', test_mode=True, pipeline=steps)
    factors = []
    for idx in (5, 9, 16):
        a, b = plain[idx]['inputs'][..., :3], moved[idx]['inputs'][..., :3]
        assert torch.equal(
            plain[idx]['data_samples'].point_index, moved[idx]['data_samples'].point_index
        )
        ratio = b.norm(dim=-1) / a.norm(dim=-1)
        assert ratio.std() < 1e-5
        factors.append(float(ratio.mean()))
        torch.testing.assert_close(b[..., 1], a[..., 1] * ratio.mean(), atol=1e-4, rtol=0)
        assert not torch.allclose(a * ratio.mean(), b, atol=0.1)
    assert all(0.8 <= f <= 1.2 for f in factors) and len(set(factors)) == 3
    angles = cfg.train_pipeline[6]['angle_range']
    assert angles[0] == 0 and angles[1] == pytest.approx(2 * math.pi)


def test_base_configs_build(data_root, root):
    names = ('synthia4d', 'synthia4d_pretrain', 'builtin_streets', 'builtin_streets_pretrain')
    for name, num_items in zip(names, (20, None, 20, None), strict=True):
        cfg = Config.fromfile(root / 'configs/_base_/datasets' / f'{name}.py')
        config = dict(cfg.train_dataloader['dataset'], data_root=str(data_root))
        if 'sequences' in config:
            config['sequences'] = ['A-0']
        data = DATASETS.build(config)
        if num_items:
            assert len(data) == num_items
            sample = data[0]['data_samples']
            assert sample.gt_pts_seg.shape == sample.loss_mask.shape
        else:
            complete = sum(
                1 for ids in ([0, 1, 2, 3, 4, 5], [3, 4, 6, 7])[: 1 + ('sequences' not in config)]
                for n in ids if {n - 1, n - 2, n - 3} <= set(ids)
            )  # fmt: skip
            assert len(data) == complete * (1 + config.get('halves', True))
            assert data[0]['inputs'].shape[:2] == (4, 1) and data[0]['inputs'].shape[-1] == 6


def test_propagation_against_brute_force():
    rng = np.random.default_rng(0)
    xyz, source = rng.normal(size=(150, 3)) + 200, rng.normal(size=(40, 3)) + 200
    labels = rng.integers(0, 12, 40)
    nearest = ((xyz[:, None] - source[None]) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(propagate_labels(xyz, source, labels), labels[nearest])
    for few in (1, 2):  # fewer than three points have labels
        nearest = ((xyz[:, None] - source[None, :few]) ** 2).sum(-1).argmin(1)
        np.testing.assert_array_equal(
            propagate_labels(xyz, source[:few], labels[:few]), labels[nearest]
        )
    assert len(propagate_labels(xyz[:0], source, labels)) == 0
    with pytest.raises(ValueError, match='at least one'):
        propagate_labels(xyz, source[:0], labels[:0])


def test_merging():
    xyz = np.array([[float(i), 0, 0] for i in range(6)])
    parts = [
        ScenePart(np.array([0, 1, 1, 3]), np.array([5, 6, 6, 0]), np.array([1, 1, 1, 0], bool)),
        ScenePart(np.array([4, 1]), np.array([7, 0]), np.array([True, False])),
    ]
    # 3 and context of the second part do not count; 2 is nearest to 1, 3 and 5 to 4
    assert merge_scene(xyz, parts).tolist() == [5, 6, 6, 7, 7, 7]
    with pytest.raises(ValueError, match='point_index: expected 0..5'):
        merge_scene(xyz, [ScenePart(np.array([6]), np.array([0]), np.array([True]))])
    with pytest.raises(ValueError, match='three arrays'):
        merge_scene(xyz, [ScenePart(np.array([2, 3]), np.array([0]), np.array([True]))])
    with pytest.raises(ValueError, match='no point was predicted'):
        merge_scene(xyz, [ScenePart(np.array([2]), np.array([0]), np.array([False]))])


class TruthTeller(torch.nn.Module):
    """Predicts the truth inside the half and nonsense in the context."""

    def test_step(self, data: dict) -> list:
        (sample,) = data['data_samples']
        truth = sample.gt_pts_seg.clone()
        truth[~sample.loss_mask] = 3
        sample.pred_pts_seg = truth
        return [sample]


def test_whole_scenes_get_a_label_for_every_point(data_root):
    data = make(data_root, split='train', test_mode=True, pipeline=pipeline(150))
    scenes = list(segment_scenes(TruthTeller(), data))
    assert [(s.video_id, s.frame_id) for s in scenes] == [
        (name, n) for name in ('A-0', 'A-1') for n in IDS[name]
    ]
    for scene in scenes:
        assert len(scene.pred_label) == len(scene.xyz) == len(scene.gt_label)
        truth = np.array([LABEL_IDS.index(v) if v else 255 for v in scene.gt_label])
        np.testing.assert_array_equal(scene.pred_label, truth)  # a half has fewer than 150
        np.testing.assert_array_equal(scene.gt_class, truth)
    scores = score_scenes(scenes, data)
    assert scores['mIoU'] == scores['mAcc'] == scores['acc'] == 100
    last = segment_scene(TruthTeller(), data, len(scenes) - 1)
    assert (last.video_id, last.frame_id) == ('A-1', 7)
    np.testing.assert_array_equal(last.center, [107.0, -2.0, 43.0])
    with pytest.raises(IndexError, match='expected 0..9, got 10'):
        segment_scene(TruthTeller(), data, 10)
    whole = make(data_root, split='train', test_mode=True, halves=False, pipeline=pipeline(300))
    for a, b in zip(segment_scenes(TruthTeller(), whole), scenes, strict=True):
        np.testing.assert_array_equal(a.pred_label, b.pred_label)
    with pytest.raises(ValueError, match='got none'):
        score_scenes([], data)
    sparse = make(data_root, split='train', test_mode=True, pipeline=pipeline(40))
    scene = next(iter(segment_scenes(TruthTeller(), sparse)))
    truth = np.array([LABEL_IDS.index(v) if v else 255 for v in scene.gt_label])
    assert 80 <= (scene.pred_label == truth).sum() < len(truth)
    with pytest.raises(ValueError, match='test_mode'):
        next(segment_scenes(TruthTeller(), make(data_root, split='train')))
