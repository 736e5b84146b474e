"""Streets from the generator through the converter of the real data, by the command line."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.synthia4d import Synthia4DDataset
from mmpointvideo.datasets.verification import verify_dataset

pytest.importorskip('numba')
pytest.importorskip('cv2')


def load_tool(root: Path, name: str) -> ModuleType:
    path = root / 'tools' / 'dataset_converters' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'tool_{name}', path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def streets(root, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('streets')
    assert load_tool(root, 'make_builtin_streets').main(options(out, '--keep-raw')) == 0
    return out


def options(out: Path, *more: str) -> list[str]:
    sizes = '--num-train-streets 2 --num-test-streets 1 --frames 2 --size 32 20'
    points = '--num-points 256 --downsample 2 --seed 3 --workers 1 --convert'
    return ['--out-dir', str(out), *sizes.split(), *points.split(), *more]


def test_streets_become_a_data_set(streets):
    videos = read_annotations(streets / 'annotations.json')['data_list']
    assert [(v['video_id'], v['split']) for v in videos] == [
        ('STREET-TEST-000', 'test'), ('STREET-TRAIN-000', 'train'), ('STREET-TRAIN-001', 'train'),
    ]  # fmt: skip
    data = Synthia4DDataset(split='train', ann_file='annotations.json', data_root=str(streets))
    assert len(data) == 2 * 2 * 2
    contents = {(streets / v['video_path']).read_bytes() for v in videos}
    assert len(contents) == 3
    store = PointVideoStore(streets / videos[0]['video_path'])
    assert store.num_points.tolist() == [256, 256] and store.unit == 'metre'
    store.verify()
    summary = verify_dataset(streets)
    assert not summary.failures
    assert {k: sum(v.values()) for k, v in summary.histogram.items()} == {
        'split test': 512, 'split train': 1024,
    }  # fmt: skip
    road = int((store.read([0, 1]).channels['label'] == 3).sum())
    assert summary.histogram['split test']['Road'] == road > 0
    assert not verify_dataset(streets, fast=True).warnings


def test_generator_resumes(root, streets, capsys):
    tool = load_tool(root, 'make_builtin_streets')
    before = {p: p.stat().st_mtime_ns for p in streets.rglob('*.p??')}
    assert len(before) == 3 + 3 * 2 * 4 * 3
    assert tool.main(options(streets, '--keep-raw')) == 0
    assert '0 converted now, 3 already there' in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in streets.rglob('*.p??')} == before


def test_raw_is_removed_and_comes_out_the_same(root, streets, tmp_path):
    tool = load_tool(root, 'make_builtin_streets')
    assert tool.main(options(tmp_path)) == 0
    assert not (tmp_path / 'raw').exists()
    for path in (streets / 'videos').iterdir():
        assert (tmp_path / 'videos' / path.name).read_bytes() == path.read_bytes()


def test_converter_reads_the_same_raw_folder(root, streets, tmp_path, capsys):
    tool = load_tool(root, 'synthia4d')
    args = [str(streets / 'raw'), str(tmp_path), '--num-points', '256', '--downsample', '2',
            '--seed', '3', '--workers', '1']  # fmt: skip
    assert tool.main(args) == 0
    assert 'Labelled frames: 2 test, 4 train' in capsys.readouterr().out
    videos = read_annotations(tmp_path / 'annotations.json')['data_list']
    assert videos == read_annotations(streets / 'annotations.json')['data_list']
    for video in videos:
        stores = [PointVideoStore(folder / video['video_path']) for folder in (tmp_path, streets)]
        ours, theirs = (store.read([0, 1]) for store in stores)
        assert (ours.xyz == theirs.xyz).all()
        assert all((ours.channels[k] == theirs.channels[k]).all() for k in ('rgb', 'label'))
    assert tool.main([*args, '--sequences', 'STREET-TEST-000']) == 0
    assert '1 already there' in capsys.readouterr().out
    report = json.loads((tmp_path / 'conversion_report.json').read_text())
    assert report['counts']['existing'] == 1


def test_a_damaged_sequence_is_reported(root, streets, tmp_path, capsys):
    import shutil

    raw = tmp_path / 'raw'
    shutil.copytree(streets / 'raw', raw)
    (raw / 'STREET-TEST-000/Depth/Stereo_Left/Omni_F/000001.png').unlink()
    tool = load_tool(root, 'synthia4d')
    args = [str(raw), str(tmp_path / 'out'), '--workers', '1', '--num-points', '64']
    assert tool.main(args) == 1
    out = capsys.readouterr().out
    assert 'STREET-TEST-000' in out and 'frame 1 lacks Depth' in out
    assert len(read_annotations(tmp_path / 'out' / 'annotations.json')['data_list']) == 2


def test_bad_sources(root, tmp_path, capsys):
    tool = load_tool(root, 'synthia4d')
    out = str(tmp_path / 'out')
    for prepare, message in (
        (lambda folder: None, 'no such folder'),
        (lambda folder: folder.mkdir(), 'expected raw sequences'),
        (lambda folder: (folder / 'a.npz').write_bytes(b''), 'found none; choose with --source'),
    ):
        prepare(tmp_path / 'src')
        with pytest.raises((OSError, ValueError), match=message):
            tool.main([str(tmp_path / 'src'), out])
    (tmp_path / 'src' / 'a.npz').rename(tmp_path / 'src' / 'S-000000.npz')
    for splits in ('{"S": "training"}', '{"S": ["train"]}', '["S"]', '{"S": ', '\xff'):
        (tmp_path / 'src' / 'splits.json').write_bytes(splits.encode('latin1'))
        with pytest.raises(ValueError, match=r'src/splits\.json: (expected|not valid JSON)'):
            tool.main([str(tmp_path / 'src'), out])
    (tmp_path / 'src' / 'splits.json').unlink()
    assert tool.main([str(tmp_path / 'src'), out]) == 1
    captured = capsys.readouterr()
    assert 'not a published npz that can be read' in captured.out and 'nothing' in captured.err
    assert (tmp_path / 'out' / 'conversion_report.json').is_file()


def test_published_frames(root, tmp_path, capsys):
    tool = load_tool(root, 'synthia4d')
    src, disk, out = tmp_path / 'src', tmp_path / 'disk', tmp_path / 'out'
    for folder in (src, disk):
        folder.mkdir()
    for name in ('S-000000.npz', 'S-000001.NPZ'):
        with open(disk / name, 'wb') as file:
            np.savez(file, pc=np.eye(3), rgb=np.eye(3), semantic=np.full(3, 3), center=np.zeros(3))
    (src / 'linked').symlink_to(disk)
    (disk / 'back').symlink_to(src)
    (disk / 'weights.npz').touch()
    (disk / '._S-000000.npz').touch()  # what macOS leaves on foreign disks
    args = [str(src), str(out), '--workers', '1']
    assert tool.main(args) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts'] == dict(converted=1, existing=0, dropped=1, repaired=0)
    (dropped,) = (v for v in report['videos'] if v['status'] == 'dropped')
    assert dropped['video_id'] == 'linked/weights.npz' and 'a name like' in dropped['reason']
    assert PointVideoStore(out / 'videos' / 'S.pvs').meta['frame_ids'] == [0, 1]
    for option in ('--num-points 16384', '--radius 9', '--downsample 1', '--seed 0',
                   '--skip-incomplete'):  # fmt: skip
        expected = f'^{option.split()[0]}: for raw sequences, but {src} holds published frames'
        with pytest.raises(ValueError, match=expected):
            tool.main([*args, *option.split()])
