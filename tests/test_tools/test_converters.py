"""The converters and the checker, run as their command lines are."""

import importlib.util
import json
import os
import struct
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    convert_msr_bin,
    convert_msr_npz,
    run_jobs,
)
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.datasets.verification import verify_dataset

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / 'tools' / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


msr = tool('dataset_converters/msr_action3d.py')
checker = tool('misc/verify_dataset.py')


def run(module: ModuleType, *args: object) -> int:
    return module.main([str(arg) for arg in args])


def depth_video(seed: int, frames: int = 5) -> np.ndarray:
    """``(T, 240, 320)`` depth, 300 pixels a frame."""
    rng = np.random.default_rng(seed)
    out = np.zeros((frames, 240, 320), np.int64)
    for image in out:
        v, u = rng.integers(40, 180, 2)
        image[v : v + 20, u : u + 15] = 600 + rng.integers(0, 50, (20, 15))
    return out


def write_bin(path: Path, frames: np.ndarray) -> None:
    head = struct.pack('<iii', len(frames), frames.shape[2], frames.shape[1])
    path.write_bytes(head + frames.astype('<u4').tobytes())


def points_of(image: np.ndarray) -> np.ndarray:
    v, u = np.nonzero(image)
    z = image[v, u].astype(np.float64)
    return np.stack([(u - 160) / 280 * z, (v - 120) / 280 * z, z], axis=1)


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    src = tmp_path / 'raw'
    src.mkdir()
    for i, name in enumerate(('a01_s01_e01', 'a01_s06_e02', 'a20_s10_e03')):
        write_bin(src / f'{name}_sdepth.bin', depth_video(i, 4 + i))
    return src


def test_raw_depth_to_a_sound_data_set(bin_dir: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / 'out'
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    data = read_annotations(out / 'annotations.json')
    assert len(data['metainfo']['classes']) == 20
    assert data['metainfo']['dataset_type'] == 'MSRAction3DDataset'
    assert data['data_list'][2] == dict(
        video_id='a20_s10_e03',
        video_path='videos/a20_s10_e03.pvs',
        num_frames=6,
        gt_label=19,
        subject=10,
        take=3,
    )
    for i, video in enumerate(data['data_list']):
        store = PointVideoStore(out / video['video_path'])
        for t, image in enumerate(depth_video(i, 4 + i)):
            assert np.array_equal(store.read_depth(t), image)
            np.testing.assert_allclose(store.read([t]).xyz, points_of(image), rtol=3e-7, atol=0)
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts'] == dict(converted=3, existing=0, dropped=0, repaired=0)
    capsys.readouterr()
    assert run(checker, out) == 0
    text = capsys.readouterr().out
    assert 'points a frame     min 300, mean 300.0, max 300' in text
    assert 'frames a video     min 4, mean 5.0, max 6' in text and text.rstrip().endswith('OK')


def test_bad_videos_are_dropped_and_named(bin_dir: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / 'out'
    good = (bin_dir / 'a01_s01_e01_sdepth.bin').read_bytes()
    (bin_dir / 'a02_s01_e01_sdepth.bin').write_bytes(good[:-8])
    (bin_dir / 'a03_s01_e01_sdepth.bin').write_bytes(b'')
    (bin_dir / 'a04_s01_e01_sdepth.bin').write_bytes(good + b'12')
    (bin_dir / 'a05_s01_e01_sdepth.bin').write_bytes(b'no depth video' * 9)
    (bin_dir / 'a21_s01_e01_sdepth.bin').write_bytes(good)
    (bin_dir / 'holiday.bin').write_bytes(good)
    write_bin(bin_dir / 'a06_s01_e01_sdepth.bin', np.zeros((3, 240, 320)))
    frames = depth_video(9, 6)
    frames[[1, 2, 4]] = 0
    write_bin(bin_dir / 'a07_s01_e01_sdepth.bin', frames)
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts'] == dict(converted=4, existing=0, dropped=7, repaired=1)
    reasons = {v['video_id']: v['reason'] for v in report['videos'] if v['status'] == 'dropped'}
    for name, reason in {
        'a02_s01_e01': 'truncated',
        'a03_s01_e01': 'the file has 0',
        'a04_s01_e01': 'oversized',
        'a05_s01_e01': 'not a raw MSR',
        'a06_s01_e01': 'no frame has any point',
        'a21_s01_e01_sdepth.bin': 'not one of the 20 classes',
        'holiday.bin': 'name like a01_s01_e01',
    }.items():
        assert reason in reasons[name]
    text = capsys.readouterr().out
    assert 'a07_s01_e01: 3 frames without points kept: 1-2, 4' in text
    assert 'Dropped:' in text and 'holiday.bin' in text
    assert len(read_annotations(out / 'annotations.json')['data_list']) == 4
    assert sorted(p.name for p in (out / 'videos').iterdir()) == [
        f'{v}.pvs' for v in ('a01_s01_e01', 'a01_s06_e02', 'a07_s01_e01', 'a20_s10_e03')
    ]


def test_an_interrupted_run_continues(bin_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    stores = sorted((out / 'videos').iterdir())
    intact = [p.read_bytes() for p in stores]
    before = [p.stat().st_mtime_ns for p in stores]
    (out / 'annotations.json').unlink()
    stores[1].write_bytes(intact[1][: len(intact[1]) // 2])  # killed without atomic writing
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    counts = json.loads((out / 'conversion_report.json').read_text())['counts']
    assert counts == dict(converted=1, existing=2, dropped=0, repaired=0)
    assert [p.read_bytes() for p in stores] == intact
    after = [p.stat().st_mtime_ns for p in stores]
    assert (after[0], after[2]) == (before[0], before[2])
    # another version of a source is converted again, and all of them on request
    write_bin(bin_dir / 'a01_s01_e01_sdepth.bin', depth_video(7, 4))
    os.utime(bin_dir / 'a01_s01_e01_sdepth.bin', ns=(1, 1))
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    assert np.array_equal(PointVideoStore(stores[0]).read_depth(0), depth_video(7, 4)[0])
    assert run(msr, bin_dir, out, '--workers', 1, '--overwrite') == 0
    counts = json.loads((out / 'conversion_report.json').read_text())['counts']
    assert counts['converted'] == 3


def test_parallel_gives_the_same_files(bin_dir: Path, tmp_path: Path) -> None:
    (bin_dir / 'a02_s01_e01_sdepth.bin').write_bytes(b'')
    for workers in (1, 2):
        assert run(msr, bin_dir, tmp_path / f'out{workers}', '--workers', workers) == 0
    for path in (tmp_path / 'out1' / 'videos').iterdir():
        assert path.read_bytes() == (tmp_path / 'out2' / 'videos' / path.name).read_bytes()
    one, two = (
        json.loads((tmp_path / f'out{n}' / 'conversion_report.json').read_text()) for n in (1, 2)
    )
    assert one['videos'] == two['videos']


def test_nothing_to_convert_is_an_error(tmp_path: Path, capsys) -> None:
    out, src = tmp_path / 'out', tmp_path / 'src'
    with pytest.raises(FileNotFoundError, match='no such folder'):
        run(msr, src, out)
    src.mkdir()
    with pytest.raises(ValueError, match='expected files of one kind'):
        run(msr, src, out)
    (src / 'a01_s01_e01_sdepth.bin').write_bytes(b'')
    assert run(msr, src, out, '--workers', 1) == 1
    assert 'nothing could be converted' in capsys.readouterr().err
    (src / 'a01_s01_e01_sdepth.npz').write_bytes(b'')
    with pytest.raises(ValueError, match='choose with --source'):
        run(msr, src, out)
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts']['dropped'] == 1 and report['source'] == 'bin'
    assert not (out / 'annotations.json').exists()


def test_links_in_the_source_folder(bin_dir: Path, tmp_path: Path) -> None:
    src, out = tmp_path / 'src', tmp_path / 'out'
    src.mkdir()
    (src / 'disk').symlink_to(bin_dir)
    (bin_dir / 'back').symlink_to(src)
    (src / 'a02_s01_e01_sdepth.bin').symlink_to(tmp_path / 'nowhere')
    assert run(msr, src, out, '--workers', 1) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts'] == dict(converted=3, existing=0, dropped=1, repaired=0)
    lost = report['videos'][2]
    assert lost['video_id'] == 'a02_s01_e01' and 'No such file' in lost['reason']


def test_names_in_upper_case_and_noise(bin_dir: Path, tmp_path: Path) -> None:
    (bin_dir / 'a01_s01_e01_sdepth.bin').rename(bin_dir / 'A01_S01_E01_SDEPTH.BIN')
    assert run(msr, bin_dir, tmp_path / 'out', '--workers', 1) == 0
    data = read_annotations(tmp_path / 'out' / 'annotations.json')
    assert [v['video_id'] for v in data['data_list']][0] == 'a01_s01_e01'
    assert len(data['data_list']) == 3
    with pytest.raises(ValueError, match="^--noise kinect: for skeletons, .* are 'bin': leave it"):
        run(msr, bin_dir, tmp_path / 'out', '--noise', 'kinect')


def test_classes_of_the_source_folder(bin_dir: Path, tmp_path: Path) -> None:
    (bin_dir / 'classes.txt').write_text('wave\n')
    assert run(msr, bin_dir, tmp_path / 'out', '--workers', 1) == 0
    data = read_annotations(tmp_path / 'out' / 'annotations.json')
    assert data['metainfo']['classes'] == ['wave'] and len(data['data_list']) == 2


def save_npz(path: Path, clouds: list[np.ndarray]) -> None:
    array = np.empty(len(clouds), object)
    array[:] = clouds
    np.savez_compressed(path, point_clouds=array)


def test_published_points_become_depth_again(tmp_path: Path) -> None:
    frames = depth_video(0, 3)
    rng = np.random.default_rng(0)
    path = tmp_path / 'a01_s01_e01_sdepth.npz'
    for dtype in (np.float64, np.float32):
        save_npz(path, [rng.permutation(points_of(f)).astype(dtype) for f in frames])
        report = convert_msr_npz(path, tmp_path / 'd.pvs', overwrite=True)
        assert (report.status, report.encoding, report.num_frames) == ('converted', 'depth', 3)
        store = PointVideoStore(tmp_path / 'd.pvs')
        assert all(np.array_equal(store.read_depth(t), f) for t, f in enumerate(frames))
    write_bin(tmp_path / 'a.bin', frames)
    convert_msr_bin(tmp_path / 'a.bin', tmp_path / 'b.pvs')
    direct = PointVideoStore(tmp_path / 'b.pvs').read([0, 1, 2])
    assert np.array_equal(direct.xyz, store.read([0, 1, 2]).xyz)


@pytest.mark.parametrize('change', ['moved', 'fraction', 'outside', 'twice', 'behind'])
def test_other_points_stay_points(tmp_path: Path, change: str) -> None:
    clouds = [points_of(f) for f in depth_video(0, 2)]
    bad = clouds[1]
    if change == 'moved':
        bad[7, 0] += 0.1
    elif change == 'fraction':
        bad[7] *= 1 + 1e-5
    elif change == 'outside':
        bad[7] = (-400, 0, 600)
    elif change == 'twice':
        bad[7] = bad[8]
    else:
        bad[7] *= -1
    path = tmp_path / 'a01_s01_e01_sdepth.npz'
    save_npz(path, clouds)
    report = convert_msr_npz(path, tmp_path / 'p.pvs')
    assert report.encoding == 'points'
    batch = PointVideoStore(tmp_path / 'p.pvs').read([0, 1])
    assert np.array_equal(batch.xyz, np.concatenate(clouds).astype(np.float32))


def test_npz_folder(tmp_path: Path) -> None:
    src = tmp_path / 'src'
    src.mkdir()
    save_npz(src / 'a05_s02_e01_sdepth.npz', [points_of(f) for f in depth_video(1, 4)])
    cloud = points_of(depth_video(2, 1)[0])
    cloud[3] = np.nan
    save_npz(src / 'a06_s02_e01_sdepth.npz', [cloud])
    (src / 'a07_s02_e01_sdepth.npz').write_bytes(b'PK\x03\x04 not really')
    assert run(msr, src, tmp_path / 'out', '--workers', 1) == 0
    report = json.loads((tmp_path / 'out' / 'conversion_report.json').read_text())
    kept, repaired, dropped = report['videos']
    assert kept['num_frames'] == 4 and kept['encoding'] == 'depth'
    assert repaired['repairs'] == ['frame 0: 1 points with NaN or infinity left out']
    assert 'not a published npz that can be read' in dropped['reason']


def test_real_skeletons(shared_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip('numba')
    archive = shared_dir / 'data' / 'msr_action3d_skeletons_s01-s08.zip'
    names = ('a20_s02_e03', 'a18_s04_e02')
    src = tmp_path / 'src.zip'
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(src, 'w') as small:
        for name in names:
            member = f'msraction3d/{name}_skeleton.txt'
            small.writestr(member, full.read(member))
        small.writestr('x/a01_s01_e01_skeleton.txt', '1 2 3\n')
    assert run(msr, src, tmp_path / 'out', '--workers', 1) == 0
    data = read_annotations(tmp_path / 'out' / 'annotations.json')
    assert [v['video_id'] for v in data['data_list']] == sorted(names)
    report = json.loads((tmp_path / 'out' / 'conversion_report.json').read_text())
    assert report['counts'] == dict(converted=2, existing=0, dropped=1, repaired=2)
    store = PointVideoStore(tmp_path / 'out' / 'videos' / 'a18_s04_e02.pvs')
    assert store.num_frames == 51 and store.meta['part_names'][1] == 'head'
    parts = store.read([0, 30]).channels['part']
    assert set(np.unique(parts)) <= set(range(1, 16)) and len(np.unique(parts)) > 10
    assert 3000 < store.num_points.mean() < 12000


def test_checker_finds_what_is_wrong(bin_dir: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / 'out'
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    file, videos = out / 'annotations.json', out / 'videos'
    data = json.loads(file.read_text())
    data['data_list'][0]['num_frames'] = 99
    file.write_text(json.dumps(data))
    (videos / 'a01_s06_e02.pvs').unlink()
    store = videos / 'a20_s10_e03.pvs'
    damaged = bytearray(store.read_bytes())
    damaged[200] ^= 1
    store.write_bytes(damaged)
    for fast in ([], ['--fast']):
        assert run(checker, out, *fast) == 1
        text = capsys.readouterr()
        assert '3 failures' in text.err
        assert 'a01_s01_e01: expected 99 frames, the store has 4' in text.err
        assert 'a01_s06_e02: no such file' in text.err
        assert 'damaged (checksum)' in text.err
    summary = verify_dataset(tmp_path / 'nowhere.json')
    assert summary.failures == [f'{tmp_path / "nowhere.json"}: no such file']
    file.write_text('{}')
    assert 'not a valid annotation file' in verify_dataset(out).failures[0]


def test_checker_of_a_config(bin_dir: Path, tmp_path: Path, capsys) -> None:
    out, config = tmp_path / 'out', tmp_path / 'config.py'
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    capsys.readouterr()
    config.write_text(
        f"""
default_scope = 'mmpointvideo'
train_dataloader = dict(dataset=dict(
    type='MSRAction3DDataset', data_root={str(out)!r}, ann_file='annotations.json',
    split='train', num_frames=4, pipeline=[]))
test_dataloader = dict(dataset=dict(
    type='MSRAction3DDataset', data_root={str(out)!r}, ann_file='annotations.json',
    split='test', num_frames=4, pipeline=[], test_mode=True))
"""
    )
    assert run(checker, '--config', config) == 0
    text = capsys.readouterr().out
    assert 'train: 1 clips' in text and 'test: 5 clips' in text
    config.write_text(config.read_text().replace('MSRAction3DDataset', 'NoSuchDataset'))
    assert run(checker, '--config', config) == 1
    assert 'NoSuchDataset' in capsys.readouterr().err


def test_what_a_killed_run_left_is_removed(bin_dir: Path, tmp_path: Path) -> None:
    videos = tmp_path / 'out' / 'videos'
    videos.mkdir(parents=True)
    ours, other = videos / '.a01_s01_e01.pvs.1-ab.tmp', videos / '.a09_s01_e01.pvs.1-ab.tmp'
    for path in (ours, other):
        path.write_bytes(b'half')
    assert run(msr, bin_dir, tmp_path / 'out', '--workers', 1) == 0
    assert not ours.exists() and other.exists()


def _die() -> None:
    os._exit(9)


def test_a_worker_that_the_system_kills() -> None:
    jobs = [ConversionJob(str(i), _die, (), {}) for i in range(3)]
    with pytest.raises(ChildProcessError, match='2 worker processes was killed .*fewer --workers'):
        run_jobs(jobs, workers=2)


def test_checker_notes_stores_of_another_source(bin_dir: Path, tmp_path: Path, capsys) -> None:
    out, other = tmp_path / 'out', tmp_path / 'other'
    assert run(msr, bin_dir, out, '--workers', 1) == 0
    assert run(checker, out) == 0
    assert 'not in the annotation file' not in capsys.readouterr().out
    other.mkdir()
    write_bin(other / 'a02_s06_e01_sdepth.bin', depth_video(3))
    assert run(msr, other, out, '--workers', 1) == 0
    assert run(checker, out) == 0
    text = capsys.readouterr().out
    assert '3 stores are not in the annotation file: videos/a01_s01_e01.pvs, ' in text
