"""The built-in data set, from its command to stores and annotations."""

import importlib.util
import json

import numpy as np
import pytest
from mmengine.config import Config

from mmpointvideo.datasets.conversion.actions import BuiltinSettings, make_builtin_video
from mmpointvideo.datasets.conversion.output_lock import output_lock
from mmpointvideo.datasets.formats import iter_msr_frames, read_msr_header, write_msr_bin
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.simulation import ACTION_CLASSES, MSR_BODY, SensorNoise, generate_action
from mmpointvideo.simulation.sensor import simulate_depth_video
from mmpointvideo.simulation.subjects import sample_subject

SETTINGS = BuiltinSettings(seed=1, min_frames=3, max_frames=4)


@pytest.fixture(scope='module')
def tool():
    from ..conftest import ROOT

    path = ROOT / 'tools' / 'dataset_converters' / 'make_builtin_actions.py'
    spec = importlib.util.spec_from_file_location('make_builtin_actions', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_subject_fills_a_batch_of_the_best_pretraining(tool):
    from ..conftest import ROOT

    (path,) = (ROOT / 'configs' / 'pointcpsc').glob('pointcpsc-best_*builtin-actions.py')
    loader = Config.fromfile(path).train_dataloader
    made = tool.parse_args([])
    assert loader.sampler.field == 'subject'
    assert loader.batch_size == made.takes * len(ACTION_CLASSES)
    assert min(made.frames_range) >= loader.dataset.num_frames  # no video is left out as too short


def test_raw_video_and_store_hold_the_simulated_depth(tmp_path):
    report = make_builtin_video(tmp_path, 4, 2, 1, SETTINGS, convert=True, keep_raw=True)
    raw = tmp_path / 'raw' / 'a05_s02_e01_sdepth.bin'
    header = read_msr_header(raw)
    assert (header.width, header.height, header.num_frames) == (320, 240, report.num_frames)
    frames = np.stack(list(iter_msr_frames(raw)))
    person = sample_subject(2, seed=1)
    joints = generate_action('squat', person, 1, 1, (3, 4))
    body = MSR_BODY.scaled(person.size * person.girth)
    exact = np.stack([depth for depth, _ in simulate_depth_video(joints, body=body)])
    both = (frames > 0) & (exact > 0)
    assert both.sum() > 0.9 * (exact > 0).sum()
    assert not frames[exact == 0].any()
    error = frames[both].astype(int) - exact[both]
    assert 1 < error.std() < 2 * SensorNoise.kinect().axial_std
    store = PointVideoStore(tmp_path / 'videos' / 'a05_s02_e01.pvs')
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(store.read_depth(index), frame)


def test_resumes(tmp_path):
    def make(settings=SETTINGS, keep_raw=False):
        return make_builtin_video(tmp_path, 0, 1, 1, settings, True, keep_raw)

    store = tmp_path / 'videos' / 'a01_s01_e01.pvs'
    raw = tmp_path / 'raw' / 'a01_s01_e01_sdepth.bin'
    assert make().status == 'converted'
    assert not raw.exists()
    content = store.read_bytes()
    assert make().status == 'existing'
    store.write_bytes(content[:-5])  # damaged: made again, with the same content
    assert make().status == 'converted'
    assert store.read_bytes() == content
    assert make(BuiltinSettings(seed=2, min_frames=3, max_frames=4)).status == 'converted'
    assert store.read_bytes() != content
    assert make(keep_raw=True).status == 'converted'
    assert raw.exists()


def test_raw_only_resumes(tmp_path):
    raw = tmp_path / 'raw' / 'a01_s01_e01_sdepth.bin'
    assert make_builtin_video(tmp_path, 0, 1, 1, SETTINGS).status == 'converted'
    content = raw.read_bytes()
    assert make_builtin_video(tmp_path, 0, 1, 1, SETTINGS).status == 'existing'
    raw.write_bytes(content[:-4])
    left = raw.with_name(f'.{raw.name}.1-ab.tmp')  # of a killed run
    left.touch()
    assert make_builtin_video(tmp_path, 0, 1, 1, SETTINGS).status == 'converted'
    assert raw.read_bytes() == content and not left.exists()
    assert not (tmp_path / 'videos').exists()


def test_a_failed_write_leaves_nothing(tmp_path):
    frames = [np.ones((240, 320), np.uint16)]
    with pytest.raises(ValueError, match='expected 2 frames, got 1'):
        write_msr_bin(tmp_path / 'a.bin', frames, 2)
    with pytest.raises(ValueError, match='frame 0: expected unsigned integers'):
        write_msr_bin(tmp_path / 'a.bin', [np.ones((2, 2))], 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'options', [dict(noise='loud'), dict(min_frames=9, max_frames=5), dict(seed=-1)]
)
def test_invalid_settings(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))}.*: expected'):
        BuiltinSettings(**options)


def test_command(tool, tmp_path, capsys):
    options = ['--num-subjects', '2', '--takes', '1', '--frames-range', '2', '3']
    options += ['--workers', '1', '--out-dir', str(tmp_path)]
    assert tool.main([*options, '--convert']) == 0
    annotations = json.loads((tmp_path / 'annotations.json').read_text())
    assert annotations['metainfo']['classes'] == list(ACTION_CLASSES)
    videos = annotations['data_list']
    assert len(videos) == 2 * len(ACTION_CLASSES)
    assert [v['video_id'] for v in videos] == sorted(v['video_id'] for v in videos)
    assert {(v['gt_label'], v['subject'], v['take']) for v in videos} == {
        (label, subject, 1) for label in range(len(ACTION_CLASSES)) for subject in (1, 2)
    }
    for video in videos:
        assert PointVideoStore(tmp_path / video['video_path']).num_frames == video['num_frames']
    assert [p.name for p in (tmp_path / 'raw').iterdir()] == ['classes.txt']
    with output_lock(tmp_path), pytest.raises(BlockingIOError, match='another conversion into'):
        tool.main([*options, '--convert'])
    capsys.readouterr()
    assert tool.main([*options, '--convert']) == 0
    assert '0 converted now, 28 already there' in capsys.readouterr().out


def test_command_reports_what_is_missing(tool, tmp_path, capsys):
    (tmp_path / 'raw' / 'a02_s01_e01_sdepth.bin').mkdir(parents=True)  # in the way of a video
    options = ['--num-subjects', '1', '--takes', '1', '--frames-range', '2', '3', '--convert']
    assert tool.main([*options, '--workers', '1', '--out-dir', str(tmp_path)]) == 1
    assert 'error: the data set is not complete' in capsys.readouterr().err
    report = json.loads((tmp_path / 'conversion_report.json').read_text())
    dropped = [v['video_id'] for v in report['videos'] if v['status'] == 'dropped']
    assert dropped == ['a02_s01_e01'] and report['source'] == 'builtin'
    annotations = json.loads((tmp_path / 'annotations.json').read_text())
    assert len(annotations['data_list']) == len(ACTION_CLASSES) - 1


def test_command_stops_when_the_disk_is_too_small(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.shutil, 'disk_usage', lambda path: type('Usage', (), dict(free=10**6)))
    with pytest.raises(OSError, match='use --convert without --keep-raw'):
        tool.main(['--out-dir', str(tmp_path)])
