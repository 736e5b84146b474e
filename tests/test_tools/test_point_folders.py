"""tools/dataset_converters/point_folders.py, run as its command line is."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.storage import PointVideoStore

from .test_converters import checker, run, tool

folders = tool('dataset_converters/point_folders.py')


def write_folders(src: Path) -> None:
    rng = np.random.default_rng(0)
    for video in ('walk_1', 'walk_2', 'jump_1', 'extra'):
        (src / video).mkdir(parents=True)
        for t in (1, 2, 10):
            cloud = np.c_[np.full(20, t), rng.random((20, 3))].astype(np.float32)
            np.save(src / video / f'frame_{t}.npy', cloud)


def test_point_folders(tmp_path: Path, capsys) -> None:
    src, out, table = tmp_path / 'src', tmp_path / 'out', tmp_path / 'labels.csv'
    write_folders(src)
    bad = np.load(src / 'walk_2' / 'frame_2.npy')
    bad[3, 1] = np.nan
    np.save(src / 'walk_2' / 'frame_2.npy', bad)
    table.write_text(
        'video,label,split,subject,place\nwalk_1,walk,train,3,park\nwalk_2,walk,test,4,\n'
        'jump_1,jump,train,3,hall\ngone,walk,train,5,park\n'
    )
    args = (src, table, out, '--workers', 1, '--columns', 'x', 'y', 'z', 'label')
    assert run(folders, *args, '--channels', 'label', '--unit', 'm') == 0
    data = read_annotations(out / 'annotations.json')
    assert data['metainfo']['classes'] == ['jump', 'walk']
    assert data['metainfo']['dataset_type'] == 'PointVideoFolderDataset'
    assert data['data_list'][1] == dict(
        video_id='walk_1',
        video_path='videos/walk_1.pvs',
        num_frames=3,
        gt_label=1,
        split='train',
        subject=3,
        place='park',
    )
    store = PointVideoStore(out / 'videos' / 'walk_1.pvs')
    assert store.meta['frame_names'] == ['frame_1.npy', 'frame_2.npy', 'frame_10.npy']
    batch = store.read([0, 1, 2])
    assert batch.xyz[:, 0].tolist() == [1] * 20 + [2] * 20 + [10] * 20
    source = np.load(src / 'walk_1' / 'frame_2.npy')
    assert np.array_equal(batch.frame(1), source[:, :3])
    assert np.array_equal(batch.channels['label'][20:40], source[:, 3])
    assert PointVideoStore(out / 'videos' / 'walk_2.pvs').num_points.tolist() == [20, 19, 20]
    text = capsys.readouterr().out
    assert 'walk_2: frame_2.npy: 1 points with NaN or infinity left out' in text
    assert 'extra: not in labels.csv' in text and 'gone: ' in text and 'no such folder' in text
    assert run(folders, *args, '--channels', 'label', '--unit', 'm') == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts']['existing'] == 3
    assert run(checker, out) == 0
    text = capsys.readouterr().out
    assert 'split train' in text and 'extent             x 1..10' in text


@pytest.mark.parametrize(
    ('table', 'error'),
    [
        ('video,label\nwalk_1,walk\n', 'expected columns'),
        ('video,label,split,gt_label\n', 'none of'),
        ('video,label,split\nwalk_1,walk\n', 'line 2: expected 3 values'),
        ('video,label,split\nwalk_1,walk,a,b\n', 'line 2: expected 3 values'),
        ('video,label,split\n../x,walk,train\n', 'line 2: expected the name of a folder'),
        ('video,label,split\n,walk,train\n', 'line 2: expected the name of a folder'),
        ('video,label,split\nwalk_1,walk,\n', 'line 2: the split is empty'),
        ('video,label,split\nwalk_1,a,b\nwalk_1,a,b\n', "line 3: video 'walk_1' occurs twice"),
        ('video,label,split\nwalk_1,a,b\n./walk_1/,a,c\n', "line 3: video 'walk_1' occurs twice"),
        ('video,label,split\nwalk\\1,a,b\n', 'line 2: expected the name of a folder'),
        ('video,label,split,label\nwalk_1,a,b,c\n', 'columns of different names'),
        ('video,label,split\nwalk_1,"' + 'a' * 200_000 + '",b\n', 'field larger than'),
    ],
)
def test_bad_tables(tmp_path: Path, table: str, error: str) -> None:
    write_folders(tmp_path / 'src')
    (tmp_path / 'a.csv').write_text(table)
    with pytest.raises(ValueError, match=re.escape(error)):
        run(folders, tmp_path / 'src', tmp_path / 'a.csv', tmp_path / 'out')


def test_bad_frames_drop_their_video(tmp_path: Path) -> None:
    src, out = tmp_path / 'src', tmp_path / 'out'
    write_folders(src)
    (src / 'walk_1' / 'frame_2.npy').write_bytes(b'')
    np.save(src / 'jump_1' / 'frame_1.npy', np.zeros((0, 4), np.float32))
    (src / 'extra' / 'frame_3.ply').write_bytes(b'ply')
    (src / 'empty').mkdir()
    (tmp_path / 'a.csv').write_text(
        'video,label,split\nwalk_1,1,a\njump_1,2,a\nextra,10,a\nempty,10,a\nwalk_2,,b\n'
    )
    columns = ('--columns', 'x', 'y', 'z', 'w')
    assert run(folders, src, tmp_path / 'a.csv', out, '--workers', 1, *columns) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    reasons = {v['video_id']: v['reason'] for v in report['videos']}
    assert 'frame_2.npy' in reasons['walk_1'] and 'one format' in reasons['extra']
    assert 'found none' in reasons['empty']
    data = read_annotations(out / 'annotations.json')
    assert data['metainfo']['classes'] == ['1', '2', '10']
    assert [v.get('gt_label') for v in data['data_list']] == [1, None]
    assert report['videos'][2]['repairs'] == ['1 frames without points kept: 0']


def test_tables_and_names_in_other_encodings(tmp_path: Path) -> None:
    write_folders(tmp_path / 'src')
    table = tmp_path / 'a.csv'
    args = tmp_path / 'src', table, tmp_path / 'out', '--workers', 1, '--columns', *'xyzw'
    table.write_bytes('video,label,split\nwalk_1,größe,train\n'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'a\.csv: expected a table in UTF-8'):
        run(folders, *args)
    table.write_text('video,label,split\nwalk_1/,walk,train\n')
    names = tmp_path / 'src' / 'classes.txt'
    names.write_text('walk\nrun\nwalk\n')
    with pytest.raises(ValueError, match=r"classes\.txt: expected different names, \['walk'\]"):
        run(folders, *args)
    names.write_text('walk\nrun\n', encoding='utf-8-sig')
    assert run(folders, *args) == 0
    videos = read_annotations(tmp_path / 'out' / 'annotations.json')['data_list']
    assert [video['video_id'] for video in videos] == ['walk_1']
    assert [p.name for p in (tmp_path / 'out' / 'videos').iterdir()] == ['walk_1.pvs']


def convert_labels(tmp_path: Path, labels: list[str], names: str | None = None) -> tuple:
    """Class names and the videos' labels, of a table with these labels."""
    src, table, out = tmp_path / 'src', tmp_path / 'a.csv', tmp_path / 'out'
    if not src.exists():
        write_folders(src)
    if names is not None:
        (src / 'classes.txt').write_text(names)
    rows = zip(('walk_1', 'walk_2', 'jump_1'), labels, strict=True)
    table.write_text('video,label,split\n' + ''.join(f'{v},{label},a\n' for v, label in rows))
    assert run(folders, src, table, out, '--workers', 1, '--columns', *'xyzw') == 0
    data = read_annotations(out / 'annotations.json')
    found = {video['video_id']: video.get('gt_label') for video in data['data_list']}
    return data['metainfo']['classes'], [found[v] for v in ('walk_1', 'walk_2', 'jump_1')]


def test_labels_that_are_numbers(tmp_path: Path) -> None:
    assert convert_labels(tmp_path, ['2', '0', '1']) == (['0', '1', '2'], [2, 0, 1])
    assert convert_labels(tmp_path, ['10', '', '9']) == (['9', '10'], [1, None, 0])
    # with names: numbers of lines
    names = 'run\njump\nfly\n'
    assert convert_labels(tmp_path, ['jump', '1', '0'], names) == (
        ['run', 'jump', 'fly'],
        [1, 1, 0],
    )
    for label in ('3', '-1', '01', 'dig'):
        with pytest.raises(ValueError, match=rf"numbers in 0\.\.2, got \['{label}'\]"):
            convert_labels(tmp_path, ['run', 'run', label])
    # where a name is a number, labels are names
    assert convert_labels(tmp_path, ['1', '2', '2'], '1\n2\n') == (['1', '2'], [0, 1, 1])
    for names in ('1\n2\n', '1\nrun\n'):
        with pytest.raises(ValueError, match=r"some of these are numbers, got \['0'\]"):
            convert_labels(tmp_path, ['0', '1', '1'], names)


def test_columns_of_files_that_name_theirs(tmp_path: Path, monkeypatch) -> None:
    src, table = tmp_path / 'src', tmp_path / 'a.csv'
    write_folders(src)
    table.write_text('video,label,split\nwalk_2,a,b\nwalk_1,a,b\njump_1,a,b\n')
    args = src, table, tmp_path / 'out', '--workers', 1, '--columns', *'xyzw'
    named = np.zeros(3, [(axis, '<f4') for axis in 'xyz'])
    for video in ('walk_1', 'walk_2'):
        np.save(src / video / 'frame_1.npy', named)
    (src / 'walk_2' / 'frame_1.npy').write_bytes(b'')  # not for this error to say
    with pytest.raises(
        ValueError, match=r'--columns: names .* plain NPY files, but .*walk_1/frame'
    ):
        run(folders, *args)
    (src / 'walk_1' / 'frame_1.npy').unlink()
    np.save(src / 'jump_1' / 'frame_1.npy', named)
    assert run(folders, *args) == 0
    report = json.loads((tmp_path / 'out' / 'conversion_report.json').read_text())
    reasons = {v['video_id']: v['reason'] for v in report['videos']}
    assert 'frame_1.npy: has names of its own' in reasons['jump_1'] and not reasons['walk_1']


def test_the_report_is_written_without_a_video(tmp_path: Path, capsys) -> None:
    write_folders(tmp_path / 'src')
    (tmp_path / 'a.csv').write_text('video,label,split\n')
    assert run(folders, tmp_path / 'src', tmp_path / 'a.csv', tmp_path / 'out') == 1
    assert 'nothing could be converted' in capsys.readouterr().err
    report = json.loads((tmp_path / 'out' / 'conversion_report.json').read_text())
    assert report['counts']['dropped'] == 4
    assert not (tmp_path / 'out' / 'annotations.json').exists()
