"""tools/dataset_converters/ntu_rgbd.py on raw videos that the test writes."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets import NTURGBDDataset, PointVideoStore
from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.conversion import convert_ntu_depth
from mmpointvideo.datasets.conversion.output_lock import output_lock
from mmpointvideo.datasets.formats.ntu_depth import read_ntu_frame, write_ntu_frame
from mmpointvideo.testing import write_ntu_raw

from .test_converters import checker, run

pytest.importorskip('numba')
cv2 = pytest.importorskip('cv2')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'ntu_rgbd.py'
NAMES = [f'S{s:03d}C001P{p:03d}R001A{a:03d}' for s, p, a in ((1, 1, 1), (1, 3, 2), (2, 2, 60))]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('ntu_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
    return write_ntu_raw(tmp_path_factory.mktemp('ntu') / 'masked', NAMES, num_frames=4)


@pytest.fixture(scope='module')
def converted(tool, raw, tmp_path_factory):
    out = tmp_path_factory.mktemp('out')
    assert tool.main([str(raw), str(out), '--workers', '1']) == 0
    return out


def test_depth_folders(raw, converted):
    content = read_annotations(converted / 'annotations.json')
    assert [v['video_id'] for v in content['data_list']] == NAMES
    assert len(content['metainfo']['classes']) == 60
    last = content['data_list'][-1]
    assert (last['gt_label'], last['subject'], last['setup'], last['num_frames']) == (59, 2, 2, 4)
    store = PointVideoStore(converted / last['video_path'])
    assert store.meta['conversion']['source'] == 'depth'
    for frame in range(4):
        image = read_ntu_frame(raw / NAMES[-1] / f'MDepth-{frame + 1:08d}.png')
        np.testing.assert_array_equal(store.read_depth(frame), image)
    assert store.num_points.min() > 1000 and store.num_points.max() < 40_000
    # the paper's unit: a metre is 1.526
    z = store.read([0]).xyz[:, 2] * 100 / 65535
    assert 2 < z.min() < z.max() < 6
    dataset = NTURGBDDataset(
        ann_file=str(converted / 'annotations.json'), split='train', num_frames=4
    )
    assert dataset.num_videos == 2  # subjects 1 and 2 train, 3 does not


def test_published_points_give_the_same_depth(tool, raw, converted, tmp_path):
    source = write_ntu_raw(tmp_path / 'npz', NAMES[:1], num_frames=4, source='npz')
    assert tool.main([str(source), str(tmp_path / 'out'), '--workers', '1']) == 0
    store = PointVideoStore(tmp_path / 'out' / 'videos' / f'{NAMES[0]}.pvs')
    other = PointVideoStore(converted / 'videos' / f'{NAMES[0]}.pvs')
    assert store.encoding == 'depth' and store.camera == other.camera
    for frame in range(4):
        np.testing.assert_array_equal(store.read_depth(frame), other.read_depth(frame))


def test_published_points_that_are_no_pixels(tool, tmp_path):
    clouds = np.empty(2, object)
    clouds[:] = [np.random.rand(50, 3) / 20, np.random.rand(60, 3) / 20]
    clouds[0][3] = np.nan
    (tmp_path / 'npz').mkdir()
    np.savez_compressed(tmp_path / 'npz' / f'{NAMES[0]}.npz', data=clouds)
    assert tool.main([str(tmp_path / 'npz'), str(tmp_path / 'out'), '--workers', '1']) == 0
    store = PointVideoStore(tmp_path / 'out' / 'videos' / f'{NAMES[0]}.pvs')
    assert store.encoding == 'points' and store.num_points.tolist() == [49, 60]
    np.testing.assert_allclose(store.read([1]).xyz, clouds[1] * 65535, rtol=1e-6)
    assert 'NaN or infinity left out' in store.meta['repairs'][0]


def test_skeletons(tool, tmp_path):
    source = write_ntu_raw(tmp_path / 'skeletons', NAMES[:1], num_frames=10, source='skeleton')
    (source / f'{NAMES[1]}.skeleton').write_text('3\n')
    out = tmp_path / 'out'
    assert tool.main([str(source), str(out), '--workers', '1']) == 0
    store = PointVideoStore(out / 'videos' / f'{NAMES[0]}.pvs')
    assert store.num_frames == 10 and store.num_points.min() > 1000
    assert set(np.unique(store.read([0]).channels['part'])) <= set(range(1, 16))
    report = json.loads((out / 'conversion_report.json').read_text())
    dropped = [v for v in report['videos'] if v['status'] == 'dropped']
    assert [v['video_id'] for v in dropped] == [NAMES[1]] and 'cut short' in dropped[0]['reason']


def test_shards_share_the_work_and_merge(tool, raw, converted, tmp_path):
    out = tmp_path / 'out'
    jobs = {n: [name for name in NAMES if tool.shard_of(name, 2) == n] for n in (1, 2)}
    assert jobs[1] and jobs[2]
    args = [str(raw), str(out), '--workers', '1']
    with output_lock(out, (2, 2)):  # another machine
        assert tool.main([*args, '--shard', '1/2']) == 0
        for shard in ([], ['--shard', '2/2']):
            with pytest.raises(BlockingIOError, match='another conversion into'):
                tool.main([*args, *shard])
    assert not (out / 'annotations.json').exists()
    assert sorted(p.stem for p in (out / 'videos').iterdir()) == jobs[1]
    assert tool.main([str(raw), str(out), '--merge']) == 1
    assert tool.main([str(raw), str(out), '--workers', '1', '--shard', '2/2']) == 0
    merged = read_annotations(out / 'annotations.json')
    assert merged == read_annotations(converted / 'annotations.json')
    assert tool.main([str(raw), str(out), '--merge']) == 0
    for bad in ('0/2', '3/2', '2', 'a/b'):
        with pytest.raises(SystemExit):
            tool.main([str(raw), str(out), '--shard', bad])


def test_a_killed_run_goes_on(tool, tmp_path):
    names = [f'S001C001P{p:03d}R001A001' for p in range(1, 7)]
    raw = write_ntu_raw(tmp_path / 'raw', names, num_frames=12)
    out = tmp_path / 'out'
    command = [sys.executable, str(TOOL), str(raw), str(out), '--workers', '1']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.glob('videos/*.pvs')) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (out / 'videos' / f'.{names[-1]}.pvs.1-abc.tmp').write_bytes(b'half')
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob('videos/*.pvs')}
    assert finished
    assert tool.main(command[2:]) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts']['existing'] == len(finished)
    assert report['counts']['existing'] + report['counts']['converted'] == 6
    for name, changed in finished.items():
        assert (out / 'videos' / name).stat().st_mtime_ns == changed
    assert not list((out / 'videos').glob('.*'))


def test_what_is_wrong_with_a_video_is_its_report(tool, raw, tmp_path):
    source = tmp_path / 'raw'
    good = write_ntu_raw(source, [NAMES[0]], num_frames=2) / NAMES[0]
    for name in NAMES[1:]:
        (source / name).mkdir()
    for number in (1, 3):
        os.link(good / 'MDepth-00000001.png', source / NAMES[1] / f'MDepth-{number:08d}.png')
    wrong = source / NAMES[2] / 'MDepth-00000001.png'
    cv2.imwrite(str(wrong), np.zeros((424, 512), np.uint8))
    listed = tmp_path / 'list.txt'
    listed.write_text(f'{NAMES[0]} 3\n{NAMES[1]} 5\n')
    out = tmp_path / 'out'
    assert tool.main([str(source), str(out), '--workers', '1', '--list', str(listed)]) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    reasons = {v['video_id']: v['reason'] for v in report['videos'] if v['status'] == 'dropped'}
    assert 'frame 2 of 1..3 is missing' in reasons[NAMES[1]]
    assert 'expected a 16-bit grey PNG of 512 x 424, got (424, 512) of uint8' in reasons[NAMES[2]]
    assert report['list']['missing'] == [NAMES[1]]
    assert report['list']['other_length'] == [f'{NAMES[0]}: 2 frames, listed 3']


def test_frames_of_one_number(tool, raw, tmp_path):
    folder = tmp_path / 'raw' / NAMES[0]
    folder.mkdir(parents=True)
    for name in ('MDepth-00000001.png', 'MDepth-1.png'):
        os.link(raw / NAMES[0] / 'MDepth-00000001.png', folder / name)
    with pytest.raises(ValueError, match=r"frame 1 is there twice: \['MDepth-00000001.png', 'MD"):
        convert_ntu_depth(folder, tmp_path / 'a.pvs')


def test_names_in_upper_and_lower_case(tool, raw, tmp_path):
    images = tmp_path / 'depth' / NAMES[0].lower()
    images.mkdir(parents=True)
    for path in (raw / NAMES[0]).iterdir():
        os.link(path, images / path.name.upper())
    points = write_ntu_raw(tmp_path / 'npz', NAMES[:1], num_frames=2, source='npz')
    (points / f'{NAMES[0]}.npz').rename(points / f'{NAMES[0].lower()}.NPZ')
    for source in (images.parent, points):
        out = tmp_path / f'out-{source.name}'
        assert tool.main([str(source), str(out), '--workers', '1']) == 0
        (video,) = read_annotations(out / 'annotations.json')['data_list']
        assert video['video_path'] == f'videos/{NAMES[0]}.pvs'


def test_options_that_would_be_ignored(tool, raw, tmp_path, capsys):
    args = [str(raw), str(tmp_path)]
    with pytest.raises(ValueError, match="^--noise kinect: for skeletons, .* are 'depth'"):
        tool.main([*args, '--noise', 'kinect'])
    for option in ('--shard 1/2', '--list a', '--overwrite', '--source npz', '--noise kinect'):
        with pytest.raises(SystemExit):
            tool.main([*args, '--merge', *option.split()])
        expected = f'error: {option.split()[0]}: for converting, and --merge converts nothing'
        assert expected in capsys.readouterr().err


def test_checker_of_a_config_with_a_list(converted, tmp_path, capsys):
    """The list has a class more than the data set, and its videos lie elsewhere."""
    listed, config = tmp_path / 'list.txt', tmp_path / 'config.py'
    other = 'S001C001P001R001A061'
    listed.write_text(''.join(f'{name} 4\n' for name in [*NAMES, other]))
    (tmp_path / 'videos').mkdir()
    store = (converted / 'videos' / f'{NAMES[0]}.pvs').read_bytes()
    for name in [*NAMES, other, 'unlisted']:
        (tmp_path / 'videos' / f'{name}.pvs').write_bytes(store)
    dataset = dict(
        type='NTURGBDDataset', ann_file=str(listed), data_root=str(tmp_path), split='train',
        num_frames=4,
    )  # fmt: skip
    config.write_text(
        f"default_scope = 'mmpointvideo'\ntrain_dataloader = dict(dataset={dataset})\n"
    )
    assert run(checker, '--config', config) == 0
    text = capsys.readouterr().out
    assert 'videos             4' in text and '1 stores are not in the annotation' in text
    assert re.search(r'\(other class\) +1', text)
    (tmp_path / 'videos' / f'{NAMES[2]}.pvs').unlink()
    assert run(checker, '--config', config) == 1
    assert f'{NAMES[2]}: no such file' in capsys.readouterr().err
    (tmp_path / 'lists').mkdir()
    listed.rename(tmp_path / 'lists' / 'list.txt')  # the stores are not below the list
    config.write_text(config.read_text().replace(str(listed), 'lists/list.txt'))
    assert run(checker, '--config', config) == 1
    text = capsys.readouterr()
    assert '../videos/unlisted.pvs' in text.out and 'not valid' not in text.err


def test_sources(tool, tmp_path):
    with pytest.raises(FileNotFoundError, match='no such folder'):
        tool.main([str(tmp_path / 'none'), str(tmp_path)])
    with pytest.raises(ValueError, match='found none; choose with --source'):
        tool.main([str(tmp_path), str(tmp_path)])
    for part in ('a', 'b'):
        (tmp_path / part / NAMES[0]).mkdir(parents=True)
    with pytest.raises(ValueError, match=f'video {NAMES[0]} is there twice'):
        tool.main([str(tmp_path), str(tmp_path)])


def test_memory_does_not_grow_with_the_video(tmp_path):
    image = np.zeros((424, 512), np.uint16)
    image[100:300, 200:300] = np.random.default_rng(0).integers(2000, 2200, (200, 100))
    peaks = []
    for frames in (4, 40):
        folder = tmp_path / f'{frames}' / NAMES[0]
        folder.mkdir(parents=True)
        write_ntu_frame(folder / 'MDepth-00000001.png', image)
        for number in range(2, frames + 1):
            os.link(folder / 'MDepth-00000001.png', folder / f'MDepth-{number:08d}.png')
        tracemalloc.start()
        convert_ntu_depth(folder, tmp_path / f'{frames}.pvs')
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks


def test_more_shards_than_videos(tool, tmp_path):
    raw = write_ntu_raw(tmp_path / 'raw', NAMES[:1], num_frames=2)
    out = tmp_path / 'out'
    for number in (1, 2, 3):
        shard = ['--shard', f'{number}/3']
        assert tool.main([str(raw), str(out), '--workers', '1', *shard]) == 0
    assert [v['video_id'] for v in read_annotations(out / 'annotations.json')['data_list']] == (
        NAMES[:1]
    )


def test_names_of_no_action_cost_that_video_alone(tool, tmp_path, capsys):
    raw = write_ntu_raw(tmp_path / 'raw', NAMES[:1], num_frames=2)
    (raw / 'S001C001P001R001A121').mkdir()
    out = tmp_path / 'out'
    assert tool.main([str(raw), str(out), '--workers', '1']) == 0
    assert 'S001C001P001R001A121: expected a name like' in capsys.readouterr().out
    assert len(read_annotations(out / 'annotations.json')['data_list']) == 1
    with pytest.raises(FileNotFoundError, match=r'no\.txt'):
        tool.main([str(raw), str(tmp_path / 'b'), '--list', str(tmp_path / 'no.txt')])
    assert not (tmp_path / 'b').exists()


def test_a_shard_without_a_good_video_is_finished(tool, raw, converted, tmp_path, capsys):
    source, out = tmp_path / 'raw', tmp_path / 'out'
    source.mkdir()
    for name in NAMES:
        if tool.shard_of(name, 2) == 1:
            (source / name).symlink_to(raw / name)
        else:
            (source / name).mkdir()  # without images
    args = [str(source), str(out), '--workers', '1']
    assert tool.main([*args, '--shard', '2/2']) == 1
    assert 'nothing could be converted' in capsys.readouterr().err
    report = json.loads((out / 'shards' / 'conversion_report-002-of-002.json').read_text())
    assert report['counts']['dropped'] == len(report['videos']) > 0
    assert tool.main([*args, '--shard', '1/2']) == 0
    merged = read_annotations(out / 'annotations.json')
    good = {v['video_id'] for v in read_annotations(out / 'annotations.json')['data_list']}
    assert good == {name for name in NAMES if tool.shard_of(name, 2) == 1}
    assert merged['metainfo'] == read_annotations(converted / 'annotations.json')['metainfo']


def test_another_sharding_in_the_same_folder(tool, raw, converted, tmp_path):
    out = tmp_path / 'out'
    args = [str(raw), str(out), '--workers', '1', '--shard']
    assert tool.main([*args, '1/3']) == 0
    for number in (1, 2):
        assert tool.main([*args, f'{number}/2']) == 0
    merged = read_annotations(out / 'annotations.json')
    assert merged == read_annotations(converted / 'annotations.json')
    with pytest.raises(ValueError, match=r'runs of \[2, 3\] shards; delete those of the others'):
        tool.main([str(raw), str(out), '--merge'])


def test_nothing_good_in_any_shard(tool, tmp_path):
    (tmp_path / 'raw' / NAMES[0]).mkdir(parents=True)
    args = [str(tmp_path / 'raw'), str(tmp_path / 'out'), '--workers', '1', '--shard']
    shard = tool.shard_of(NAMES[0], 2)
    assert tool.main([*args, f'{3 - shard}/2']) == 0
    with pytest.raises(ValueError, match='no shard has a video'):
        tool.main([*args, f'{shard}/2'])


def test_linked_folders(tool, raw, converted, tmp_path):
    (tmp_path / 'raw' / 'deep').mkdir(parents=True)
    (tmp_path / 'raw' / 'deep' / 'disk').symlink_to(raw)
    (tmp_path / 'raw' / 'deep' / 'back').symlink_to(tmp_path / 'raw')
    assert tool.main([str(tmp_path / 'raw'), str(tmp_path / 'out'), '--workers', '1']) == 0
    found = read_annotations(tmp_path / 'out' / 'annotations.json')
    assert found == read_annotations(converted / 'annotations.json')
