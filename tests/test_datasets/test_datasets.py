"""The index of clips."""

import copy
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset
from mmengine.registry import DefaultScope

from mmpointvideo.datasets import MSRAction3DDataset, PointVideoDataset, PointVideoFolderDataset
from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.registry import DATASETS
from mmpointvideo.testing import write_tiny_dataset

PIPELINE = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=16),
    dict(type='PackPointVideoInputs'),
]


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """2 classes, subjects 1, 2 and 6, videos of 12 and 9 frames: 8 train and 4 test videos."""
    return str(write_tiny_dataset(tmp_path_factory.mktemp('tiny')))


def _starts(dataset):
    return [
        (info['video_id'], info['clip_start'])
        for info in map(dataset.get_data_info, range(len(dataset)))
    ]


def test_clips_are_sorted_by_video_and_start(tiny):
    dataset = MSRAction3DDataset(ann_file=tiny, split='train', num_frames=8)
    names = [f'a{a:02d}_s{s:02d}_e{e:02d}' for a in (1, 2) for s in (1, 2) for e in (1, 2)]
    wanted = [(n, start) for n in names for start in range(5 if n.endswith('e01') else 2)]
    assert _starts(dataset) == wanted
    assert dataset.num_videos == 8
    assert dataset.metainfo['classes'] == ['action 1', 'action 2']
    assert dataset.metainfo['dataset_type'] == 'MSRAction3DDataset'


def test_item(tiny):
    dataset = MSRAction3DDataset(
        ann_file=tiny, split='test', num_frames=4, frame_interval=2, clip_stride=2, test_mode=True
    )
    # the first test video: 12 frames, span 7, starts 0, 2, 4
    item = dataset.get_data_info(1)
    path = item.pop('video_path')
    assert path.endswith('videos/a01_s06_e01.pvs')
    assert item == dict(
        video_id='a01_s06_e01',
        video_index=4,  # behind the four videos of class 1 by subjects 1 and 2
        clip_start=2,
        clip_index=1,
        num_clips=3,
        num_frames=4,
        frame_interval=2,
        clip_stride=2,
        total_frames=12,
        sample_idx=1,
        test_mode=True,
        gt_label=0,
    )
    assert dataset.get_data_info(-1)['sample_idx'] == len(dataset) - 1
    assert dataset.get_video_info(0)['subject'] == 6
    with pytest.raises(IndexError, match='of a data set of'):
        dataset.get_data_info(len(dataset))


def test_video_index_is_the_same_in_every_split(tiny):
    index = {}
    for split in ('train', 'test'):
        dataset = MSRAction3DDataset(ann_file=tiny, split=split, num_frames=8)
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            index[info['video_id']] = info['video_index']
    assert [index[name] for name in sorted(index)] == list(range(12))


def test_short_videos(tiny):
    options = dict(ann_file=tiny, split='train', num_frames=10)
    padded = MSRAction3DDataset(**options)
    dropped = MSRAction3DDataset(**options, short_videos='drop')
    assert (padded.num_videos, len(padded)) == (8, 4 * 3 + 4)
    assert (dropped.num_videos, len(dropped)) == (4, 4 * 3)
    assert {info[0][-1] for info in _starts(dropped)} == {'1'}
    with pytest.raises(ValueError, match='no video left of 12.*13 frames'):
        MSRAction3DDataset(ann_file=tiny, split='train', num_frames=13, short_videos='drop')


def test_clips_options(tiny):
    options = dict(ann_file=tiny, split='train', num_frames=8)
    even = MSRAction3DDataset(**options, clips=3)
    assert [start for _, start in _starts(even)] == [0, 2, 4, 0, 1] * 4
    random = MSRAction3DDataset(**options, clips='random', pipeline=PIPELINE)
    assert [start for _, start in _starts(random)] == [None] * 8
    drawn = {random[0]['data_samples'].clip_start for _ in range(60)}
    assert drawn == {0, 1, 2, 3, 4}
    repeated = MSRAction3DDataset(**options, clips='random', pipeline=PIPELINE, test_mode=True)
    assert len({repeated[0]['data_samples'].clip_start for _ in range(10)}) == 1


def test_published_split_of_msr(shared_dir, tmp_path):
    lines = (shared_dir / 'data' / 'msr_action3d_videos.txt').read_text().split('\n')
    videos = []
    for name, frames in (line.split() for line in lines if line):
        name = name.removesuffix('_sdepth')
        label, subject = int(name[1:3]) - 1, int(name[5:7])
        videos.append(
            dict(
                video_id=name,
                video_path=f'videos/{name}.pvs',
                num_frames=int(frames),
                gt_label=label,
                subject=subject,
            )
        )
    meta = dict(dataset_type='msr', task='action', classes=[f'{i}' for i in range(20)])
    path = tmp_path / 'annotations.json'
    write_annotations(path, meta, videos)
    options = dict(ann_file=path, num_frames=24, check_files=False)
    sizes = {}
    for split in ('train', 'test', 'all'):
        for short in ('pad', 'drop'):
            dataset = MSRAction3DDataset(**options, split=split, short_videos=short)
            sizes[split, short] = dataset.num_videos
            if (split, short) == ('train', 'drop'):
                assert len(dataset) == 4478
    assert sizes['train', 'pad'] == 270 and sizes['train', 'drop'] == 257
    assert sizes['test', 'pad'] == 297 and sizes['test', 'drop'] == 287
    assert sizes['all', 'pad'] == 567 and sizes['all', 'drop'] == 544
    fit = MSRAction3DDataset(**options, split='train', subjects=(1, 2, 3, 4))
    validation = MSRAction3DDataset(**options, split='train', subjects=(5,))
    assert fit.num_videos + validation.num_videos == 270
    few = MSRAction3DDataset(**options, split='train', max_videos=20)
    labels = [few.get_video_info(i)['gt_label'] for i in range(20)]
    assert len(set(labels)) > 15 and labels == sorted(labels)
    with pytest.raises(FileNotFoundError, match='567 video file.*a01_s01_e01'):
        MSRAction3DDataset(ann_file=path, num_frames=24, split='all')


def test_subjects(tiny):
    options = dict(ann_file=tiny, num_frames=8)
    validation = MSRAction3DDataset(**options, split='train', subjects=(2,))
    assert {name[4:7] for name, _ in _starts(validation)} == {'s02'}
    swapped = MSRAction3DDataset(**options, split='train', train_subjects=(6,))
    assert {name[4:7] for name, _ in _starts(swapped)} == {'s06'}
    with pytest.raises(ValueError, match=r"some of \[1, 2\].*split 'train'.*\(6,\)"):
        MSRAction3DDataset(**options, split='train', subjects=(6,))
    for name, value in (('subjects', 3), ('subjects', '12'), ('train_subjects', 1)):
        with pytest.raises(TypeError, match=f'^{name}: expected a list of integers'):
            MSRAction3DDataset(**options, split='train', **{name: value})
    with pytest.raises(ValueError, match="'train', 'test' or 'all', got 'val'"):
        MSRAction3DDataset(**options, split='val')


def test_folder_dataset_splits_by_field(tiny, tmp_path):
    sizes = [
        PointVideoFolderDataset(ann_file=tiny, split=split, num_frames=8).num_videos
        for split in ('train', 'test', None)
    ]
    assert sizes == [8, 4, 12]
    with pytest.raises(ValueError, match=r"\['test', 'train'\], got 'val'"):
        PointVideoFolderDataset(ann_file=tiny, split='val', num_frames=8)
    assert PointVideoFolderDataset.METAINFO['dataset_type'] == 'PointVideoFolderDataset'
    data = json.loads(Path(tiny).read_text())
    for video in data['data_list']:
        del video['split']
    (tmp_path / 'a.json').write_text(json.dumps(data))
    with pytest.raises(ValueError, match="split: expected None, as no video .*, got 'val'"):
        PointVideoFolderDataset(ann_file=tmp_path / 'a.json', split='val', num_frames=8)


def test_subjects_of_a_folder(tiny, tmp_path):
    def videos(path, **options):
        dataset = PointVideoFolderDataset(ann_file=path, num_frames=8, check_files=False, **options)
        return {name[4:7] for name, _ in _starts(dataset)}

    assert videos(tiny, split='train', subjects=(2,)) == {'s02'}
    assert videos(tiny, split=None, subjects=[6, 1]) == {'s01', 's06'}
    data = json.loads(Path(tiny).read_text())
    for video in data['data_list']:
        video['subject'] = f'name {video["subject"]}'
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(data))
    assert videos(path, split='train', subjects=('name 1',)) == {'s01'}
    for wrong in ('name 6', 1):
        expected = r"some of \['name 1', 'name 2'\], those of split 'train' in .*a.json, got"
        with pytest.raises(ValueError, match=expected):
            videos(path, split='train', subjects=(wrong,))
    for wrong in ('name 1', 1, [1.5]):
        with pytest.raises(TypeError, match='^subjects: expected a list of numbers or names'):
            videos(path, split='train', subjects=wrong)
    del data['data_list'][3]['subject']
    path.write_text(json.dumps(data))
    assert videos(path, split='train') == {'s01', 's02'}
    with pytest.raises(ValueError, match='a01_s02_e02 needs a field subject .*a column of this'):
        videos(path, split='train', subjects=('name 1',))


def test_unlabelled_videos_and_missing_subjects(tiny, tmp_path):
    data = json.loads(Path(tiny).read_text())
    for video in data['data_list']:
        del video['gt_label'], video['subject']
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(data))
    dataset = PointVideoDataset(ann_file=path, num_frames=8, check_files=False)
    assert 'gt_label' not in dataset.get_data_info(0)
    with pytest.raises(ValueError, match='has no gt_label'):
        dataset.get_cat_ids(0)
    with pytest.raises(ValueError, match='a01_s01_e01 needs an integer subject'):
        MSRAction3DDataset(ann_file=path, num_frames=8, split='all', check_files=False)


def test_missing_file(tmp_path):
    path = write_tiny_dataset(tmp_path)
    (tmp_path / 'videos' / 'a02_s01_e01.pvs').unlink()
    with pytest.raises(FileNotFoundError, match='1 video file.*a02_s01_e01.*verify_dataset'):
        MSRAction3DDataset(ann_file=path, split='train', num_frames=8)
    MSRAction3DDataset(ann_file=path, split='test', num_frames=8)
    late = MSRAction3DDataset(
        ann_file=path, split='train', num_frames=8, check_files=False, pipeline=PIPELINE
    )
    broken = next(i for i, (name, _) in enumerate(_starts(late)) if name == 'a02_s01_e01')
    assert late[0]['inputs'].shape == (8, 16, 3)
    with pytest.raises(FileNotFoundError, match='a02_s01_e01: no file'):
        late[broken]


def test_options_are_checked(tiny):
    for options in (dict(num_frames=0), dict(clip_stride=-1), dict(clips=0), dict(max_videos=0)):
        name = next(iter(options))
        with pytest.raises(ValueError, match=f'{name}: expected'):
            PointVideoDataset(**{'ann_file': tiny, 'num_frames': 8, **options})
    with pytest.raises(TypeError, match='clip_strid'):
        MSRAction3DDataset(ann_file=tiny, num_frames=8, split='train', clip_strid=2)


@pytest.mark.parametrize('serialize', [True, False])
def test_subsets_and_copies(tiny, serialize):
    dataset = MSRAction3DDataset(
        ann_file=tiny, split='train', num_frames=8, serialize_data=serialize
    )
    all_starts = _starts(dataset)
    assert _starts(dataset.get_subset(3)) == all_starts[:3]
    assert _starts(dataset.get_subset(-3)) == all_starts[-3:]
    some = dataset.get_subset([7, 2])
    assert _starts(some) == [all_starts[7], all_starts[2]]
    assert some.get_data_info(0)['sample_idx'] == 0
    assert some.num_videos == 2
    assert len(dataset) == len(all_starts)
    assert _starts(pickle.loads(pickle.dumps(dataset))) == all_starts
    assert _starts(copy.deepcopy(dataset)) == all_starts


def test_lazy_init(tiny):
    dataset = MSRAction3DDataset(ann_file=tiny, split='train', num_frames=8, lazy_init=True)
    assert not dataset._fully_initialized
    assert len(dataset) == 28


def test_builds_from_a_config_with_and_without_default_scope(tiny):
    config = dict(
        type='MSRAction3DDataset', ann_file=tiny, split='train', num_frames=8, pipeline=PIPELINE
    )
    assert DATASETS.build(config)[0]['inputs'].shape == (8, 16, 3)
    with DefaultScope.overwrite_default_scope('mmpointvideo'):
        assert DATASETS.build(config)[0]['inputs'].shape == (8, 16, 3)
    balanced = ClassBalancedDataset(DATASETS.build(config), oversample_thr=1e-3)
    assert len(balanced) == 28


def test_data_root_and_paths(tiny, tmp_path):
    root = write_tiny_dataset(tmp_path / 'data', num_classes=1, subjects=(1,)).parent
    dataset = PointVideoDataset(ann_file='annotations.json', data_root=root, num_frames=8)
    assert dataset.get_data_info(0)['video_path'] == str(root / 'videos' / 'a01_s01_e01.pvs')
    with pytest.raises(FileNotFoundError, match=re.escape('nothing.json')):
        PointVideoDataset(ann_file='nothing.json', data_root=root, num_frames=8)


def test_same_seed_same_clip_in_training(tiny):
    dataset = MSRAction3DDataset(ann_file=tiny, split='train', num_frames=8, pipeline=PIPELINE)
    draws = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        draws.append([dataset[i]['inputs'].numpy() for i in range(3)])
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert not np.array_equal(dataset[0]['inputs'], dataset[0]['inputs'])


def test_same_clip_in_every_test_run(tiny):
    options = dict(ann_file=tiny, split='test', num_frames=8, pipeline=PIPELINE, test_mode=True)
    first, second = MSRAction3DDataset(**options), MSRAction3DDataset(**options)
    forward = [first[i]['inputs'].numpy() for i in range(len(first))]
    np.random.seed(123)
    backward = [second[i]['inputs'].numpy() for i in reversed(range(len(second)))]
    np.testing.assert_array_equal(forward, backward[::-1])
