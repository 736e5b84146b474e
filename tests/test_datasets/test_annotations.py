"""The annotation file: what is accepted, what is refused and how."""

import json
from pathlib import Path

import pytest

from mmpointvideo.datasets.annotations import (
    missing_videos,
    read_annotations,
    validate_annotations,
    write_annotations,
)

META = dict(dataset_type='PointVideoFolderDataset', task='action_recognition', classes=['a', 'b'])


def video(name: str, **changes) -> dict:
    return dict(video_id=name, video_path=f'videos/{name}.pvs', num_frames=5, gt_label=1, **changes)


def test_round_trip_sorts_and_keeps_more(tmp_path: Path) -> None:
    path = tmp_path / 'annotations.json'
    videos = [video('v10', subject=3), video('v02', split='train')]
    del videos[1]['gt_label']
    write_annotations(path, dict(META, unit='mm'), videos)
    data = read_annotations(path)
    assert [v['video_id'] for v in data['data_list']] == ['v02', 'v10']
    assert data['data_list'][1] == videos[0] and data['metainfo']['unit'] == 'mm'
    assert videos[0]['video_id'] == 'v10'
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos' / 'v02.pvs').touch()
    assert missing_videos(data, tmp_path) == ['videos/v10.pvs']
    shuffled = dict(data, data_list=data['data_list'][::-1])
    path.write_text(json.dumps(shuffled))
    assert read_annotations(path) == data


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (dict(video_id=''), 'video_id: expected a text'),
        (dict(video_id=7), r'data_list\[1\] \(7\): video_id'),
        (dict(video_id='v1'), r'data_list\[1\] \(v1\): video_id: occurs twice'),
        (dict(video_path='/etc/passwd'), 'below the annotation file'),
        (dict(video_path='a/../../b.pvs'), 'below the annotation file'),
        (dict(video_path='a\\b.pvs'), 'with slashes'),
        (dict(num_frames=0), r'num_frames: expected an integer in 1\.\.1048576, got 0'),
        (dict(num_frames=2**31), r'num_frames: expected .*1048576, got 2147483648'),
        (dict(num_frames=2.0), 'num_frames'),
        (dict(num_frames=True), 'num_frames'),
        (dict(num_frames=None), 'num_frames'),
        (dict(gt_label=2), r'gt_label: expected 0\.\.1, got 2'),
        (dict(gt_label=-1), 'gt_label'),
        (dict(gt_label='1'), 'gt_label'),
    ],
)
def test_bad_videos(tmp_path: Path, change: dict, error: str) -> None:
    videos = [video('v1'), dict(video('v2'), **change)]
    with pytest.raises(ValueError, match=error):
        write_annotations(tmp_path / 'a.json', META, videos)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('data', 'error'),
    [
        ([], 'metainfo and data_list'),
        (dict(metainfo=META), 'metainfo and data_list'),
        (dict(metainfo=[], data_list=[]), 'metainfo: expected an object, got list'),
        (dict(metainfo=META, data_list={}), 'data_list: expected a list, got dict'),
        (dict(metainfo=META, data_list=[3]), r'data_list\[0\] \(\?\): expected an object'),
        (dict(metainfo=dict(META, task=1), data_list=[]), 'metainfo.task'),
        (dict(metainfo=dict(META, classes='ab'), data_list=[]), 'metainfo.classes'),
        (dict(metainfo=dict(META, classes=['a', 'a']), data_list=[]), 'different names'),
    ],
)
def test_bad_files(tmp_path: Path, data, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        validate_annotations(data)
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=rf'a\.json: not a valid annotation file: .*{error}'):
        read_annotations(path)


@pytest.mark.parametrize('text', ['', '{', '[' * 100_000, '\xff', '{"metainfo": NaN}'])
def test_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / 'a.json').write_bytes(text.encode('latin1'))
    with pytest.raises(ValueError, match=r'a\.json: not a valid annotation file'):
        read_annotations(tmp_path / 'a.json')
    with pytest.raises(FileNotFoundError):
        read_annotations(tmp_path / 'b.json')


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / 'a.json'
    write_annotations(path, META, [video('v1')])
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_annotations(path, META, [video('v2', extra=object())])
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
