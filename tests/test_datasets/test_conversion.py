"""What the converters share: workers, the lock, the noise of simulated sensors, point folders."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    convert_msr_skeleton,
    convert_ntu_skeleton,
    convert_point_folder,
    frame_files,
    run_jobs,
)
from mmpointvideo.datasets.conversion.output_lock import output_lock
from mmpointvideo.datasets.conversion.workers import parallel_map
from mmpointvideo.datasets.storage import PointVideoStore, PointVideoWriter
from mmpointvideo.simulation import MSR_CAMERA, generate_action, sample_subject
from mmpointvideo.testing import write_ntu_raw


def _ctrl_c(survived: Path) -> None:
    """What a terminal does to all processes, here to a worker and then to its parent."""
    os.kill(os.getpid(), signal.SIGINT)
    survived.touch()
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """This process is interrupted by SIGINT, even where a shell started it in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures('heeds_ctrl_c')
def test_ctrl_c_ends_the_workers_quietly(tmp_path: Path, capfd) -> None:
    survived = tmp_path / 'survived'
    others = set(multiprocessing.active_children())
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), parallel_map(_ctrl_c, [survived], 1) as results:
        list(results)
    assert survived.exists() and time.monotonic() - started < 55
    assert set(multiprocessing.active_children()) == others
    assert not capfd.readouterr().err


def _write_pid(path: Path) -> None:
    path.with_suffix('.new').write_text(str(os.getpid()))
    path.with_suffix('.new').rename(path)
    time.sleep(60)


def _convert(path: Path) -> None:
    with parallel_map(_write_pid, [path], 1) as results:
        list(results)


def _runs(pid: str) -> bool:
    """Whether a process runs; one that nobody waited for does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path('/proc').exists(), reason='looks at processes as Linux shows them')
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    pid = tmp_path / 'pid'
    parent = multiprocessing.get_context('fork').Process(target=_convert, args=(pid,))
    parent.start()
    deadline = time.monotonic() + 50
    while not pid.exists():
        assert time.monotonic() < deadline and parent.is_alive()
        time.sleep(0.01)
    assert _runs(pid.read_text())
    parent.kill()
    parent.join()
    while _runs(pid.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _note(path: Path) -> VideoReport:
    path.touch()
    return VideoReport('a')


def test_one_conversion_into_a_folder_at_once(tmp_path: Path) -> None:
    out, made = tmp_path / 'out', tmp_path / 'made'
    left = out / 'videos' / '.a.pvs.1-ab.tmp'
    jobs = [ConversionJob('a', _note, (made,), {})]
    with output_lock(out):
        left.parent.mkdir()
        left.touch()  # the other one is writing it
        for shard in ((1, 1), (1, 2)):
            with pytest.raises(OSError, match=f'another conversion into {out} is running: wait'):
                run_jobs(jobs, out_dir=out, shard=shard)
        assert left.exists() and not made.exists()
    assert len(run_jobs(jobs, out_dir=out)) == 1
    assert made.exists() and not left.exists()


def test_shards_run_side_by_side(tmp_path: Path) -> None:
    with output_lock(tmp_path, (1, 2)), output_lock(tmp_path, (2, 2)):
        for shard in ((2, 2), (1, 1)):
            with pytest.raises(BlockingIOError, match='another conversion'):
                run_jobs([], out_dir=tmp_path, shard=shard)
    with output_lock(tmp_path):  # free again
        pass


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch, capsys) -> None:
    def flock(file: object, kind: int) -> None:
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr('fcntl.flock', flock)
    with output_lock(tmp_path):
        assert f'note: {tmp_path} cannot be locked' in capsys.readouterr().out


def write_msr_skeleton(path: Path) -> Path:
    joints = generate_action('wave', sample_subject(3), 1)[:12]
    rows = np.c_[
        MSR_CAMERA.project(joints).reshape(-1, 2), joints[..., 2:].reshape(-1), np.ones(12 * 20)
    ]
    path.write_text('\n'.join(' '.join(f'{x:.7e}' for x in row) for row in rows))
    return path


@pytest.mark.parametrize('kind', ['msr', 'ntu'])
def test_every_video_has_its_own_noise(tmp_path: Path, kind: str) -> None:
    pytest.importorskip('numba')
    if kind == 'msr':
        source = write_msr_skeleton(tmp_path / 'a01_s01_e01_skeleton.txt')
        convert, names = convert_msr_skeleton, ('a01_s01_e01', 'a02_s01_e01')
    else:
        name, other = 'S001C001P001R001A001', 'S002C003P004R001A001'
        source = write_ntu_raw(tmp_path, [name], 12, 'skeleton') / f'{name}.skeleton'
        convert, names = convert_ntu_skeleton, (name, other)
    depth = {}
    for noise in ('none', 'kinect'):
        for name in names:
            path = tmp_path / noise / f'{name}.pvs'
            assert convert(source, path, noise=noise).status == 'converted'
            assert convert(source, path, noise=noise).status == 'existing'
            depth[noise, name] = PointVideoStore(path).read_depth(5)
    assert (depth['none', names[0]] == depth['none', names[1]]).all()
    assert (depth['kinect', names[0]] != depth['kinect', names[1]]).mean() > 1e-3
    assert 'noise_seed' not in PointVideoStore(tmp_path / 'none' / f'{name}.pvs').meta['conversion']
    # a store of another seed is converted again
    meta = PointVideoStore(path).meta
    del meta['conversion']['noise_seed']
    with PointVideoWriter(path, 'points', meta=meta) as writer:
        writer.append_points(np.ones((4, 3)))
    assert convert(source, path, noise='kinect').status == 'converted'
    with pytest.raises(ValueError, match=r"noise: expected one of \('none', 'kinect'\)"):
        convert(source, path, noise='loud')


@pytest.mark.parametrize(
    'names',
    [
        ['0.10', '0.5', '0.9', '1.0', '10.25'],  # by value
        ['-12', '-2', '-1.5', '0', '+1', '3'],
        ['1305031102.175304123', '1305031102.175304124', '1305031103.1'],  # beyond float64
        ['001', '01', '1', '2', '10'],  # ties by name
        ['frame1', 'frame02', 'frame2', 'frame10', 'frame11'],  # not numbers
    ],
)
def test_order_of_frames(tmp_path: Path, names: list[str], monkeypatch) -> None:
    for name in names:
        np.save(tmp_path / f'{name}.npy', np.ones((2, 3)))
    listed = sorted(tmp_path.iterdir())
    for paths in (listed, listed[::-1]):  # in whatever order the folder gives them
        monkeypatch.setattr(Path, 'iterdir', lambda self, paths=paths: iter(paths))
        assert [path.stem for path in frame_files(tmp_path)] == names


@pytest.mark.parametrize('dtype', [np.int32, np.int64, np.float64])
def test_coordinates_that_float32_does_not_hold(tmp_path: Path, dtype: type) -> None:
    cloud = np.array([[0, 0, 0], [1001, 3, 7]], dtype)
    (tmp_path / 'v').mkdir()
    np.save(tmp_path / 'v' / '0.npy', cloud + 2**24 - 2000)
    assert not convert_point_folder(tmp_path / 'v', tmp_path / 'v.pvs').repairs
    np.save(tmp_path / 'v' / '0.npy', cloud + 2**24)
    report = convert_point_folder(tmp_path / 'v', tmp_path / 'v.pvs')
    assert report.repairs == [
        'rounding to float32 moved points by up to 1 (extent 1e+03): subtract an offset from '
        'coordinates that are far from 0'
    ]
