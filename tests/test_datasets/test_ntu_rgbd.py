"""NTU RGB+D: the official splits, from the official list."""

import pytest

from mmpointvideo.datasets import NTURGBDDataset
from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.ntu_rgbd_facts import (
    CLASSES,
    TRAIN_SUBJECTS_120,
    describe_video,
    is_training_video,
    parse_name,
    read_video_list,
)
from mmpointvideo.testing import write_tiny_dataset


@pytest.fixture(scope='module')
def official(shared_dir):
    return shared_dir / 'data' / 'ntu60_videos.txt.gz'


def _open(path, **options):
    return NTURGBDDataset(ann_file=str(path), check_files=False, **options)


@pytest.mark.parametrize(
    'protocol, train, test',
    [('cross_subject', 40320, 16560), ('cross_view', 37920, 18960), ('cross_setup', None, None)],
)
def test_official_counts(official, protocol, train, test):
    counts = [
        _open(official, split=split, protocol=protocol, num_frames=1, clips='random').num_videos
        for split in ('train', 'test', 'all')
    ]
    assert counts[0] + counts[1] == counts[2] == 56880
    if train:
        assert counts[:2] == [train, test]


def test_the_published_test_videos_at_24_frames(official):
    options = dict(split='test', num_frames=24, frame_interval=2, clips=1)
    dropped = _open(official, short_videos='drop', **options)
    assert dropped.num_videos == 16156
    assert _open(official, **options).num_videos == 16560
    item = dropped.get_data_info(0)
    assert item['video_path'].endswith('/videos/S001C001P003R001A001.pvs')
    assert item['gt_label'] == 0 and item['total_frames'] >= 47
    assert dropped.metainfo['classes'] == list(CLASSES[:60])
    # the starts of method.md: every second frame
    every = _open(official, **(options | dict(clips='all', clip_stride=2, max_videos=3)))
    starts = [every.get_data_info(i)['clip_start'] for i in range(len(every))]
    assert set(starts) >= {0, 2, 4} and all(start % 2 == 0 for start in starts)


def test_classes_and_subjects():
    assert len(CLASSES) == len(set(CLASSES)) == 120
    assert len(TRAIN_SUBJECTS_120) == len(set(TRAIN_SUBJECTS_120)) == 53
    video = describe_video('S018C002P045R001A120', 5, 'a.pvs')
    assert video['gt_label'] == 119 and video['setup'] == 18 and video['subject'] == 45
    assert not is_training_video(video, 'cross_subject', 60)
    assert is_training_video(video, 'cross_subject', 120)
    assert is_training_video(video, 'cross_view', 120)
    assert is_training_video(video, 'cross_setup', 120)


def test_sixty_of_120(tmp_path):
    names = ['S018C001P001R001A001', 'S019C001P001R001A060', 'S018C001P003R001A061']
    videos = [describe_video(name, 30, f'videos/{name}.pvs') for name in names]
    meta = dict(dataset_type='x', task='action_recognition', classes=list(CLASSES))
    path = tmp_path / 'annotations.json'
    write_annotations(path, meta, videos)
    options = dict(split='all', num_frames=8, clips='random')
    assert _open(path, **options).num_videos == 2
    whole = _open(path, num_classes=120, **options)
    assert whole.num_videos == 3 and len(whole.metainfo['classes']) == 120
    options = dict(num_frames=8, clips='random', protocol='cross_setup', num_classes=120)
    assert _open(path, split='train', **options).num_videos == 2


def test_errors(tmp_path):
    for bad in ('S001C001P001R001A121', 'S001C001P001R001A000', 'a01_s01_e01', ''):
        with pytest.raises(ValueError, match='expected a name like'):
            parse_name(bad)
    path = tmp_path / 'list.txt'
    path.write_text('S001C001P001R001A001 103\nS001C001P001R001A002\n')
    with pytest.raises(ValueError, match=r'list.txt, line 2: expected a new name and'):
        read_video_list(path)
    path.write_text('S001C001P001R001A001 103\n' * 2)
    with pytest.raises(ValueError, match=r'line 2: expected a new name'):
        read_video_list(path)
    path.write_text('S001C001P001R001A001 99999999999\n')
    with pytest.raises(ValueError, match=r'line 1: expected .* frames in 1\.\.1048576'):
        read_video_list(path)
    path.write_bytes(b'\x1f\x8bno gzip')
    with pytest.raises(ValueError, match=r'expected a list in ASCII, plain or \.gz'):
        read_video_list(path)
    with pytest.raises(ValueError, match='protocol: expected one of'):
        _open(path, split='train', protocol='xsub', num_frames=8)
    with pytest.raises(ValueError, match='num_classes: expected 60 or 120'):
        _open(path, split='train', num_classes=61, num_frames=8)
    tiny = write_tiny_dataset(tmp_path / 'tiny')
    assert _open(tiny, split='train', num_frames=8).num_videos == 8  # the field subject is enough
    with pytest.raises(ValueError, match="integer camera for the protocol 'cross_view'"):
        _open(tiny, split='train', protocol='cross_view', num_frames=8)
