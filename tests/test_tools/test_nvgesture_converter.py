"""NvGesture: list lines, AVI files that the test writes, segmentation, the data set."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets import NvGestureDataset, PointVideoStore
from mmpointvideo.datasets.formats.nvgesture import (
    parse_gesture_line,
    read_avi_frames,
    read_gesture_list,
    segment_hand,
)

cv2 = pytest.importorskip('cv2')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'nvgesture.py'
LINE = (
    'path:./Video_data/class_{c:02d}/subject{s}_r{r} depth:sk_depth:{a}:{b} '
    'color:sk_color:{a}:{b} duo_left:duo_left:98:178 label:{c}'
)
SIZE = (240, 320)


def _image(t):
    """A hand (bright disc that moves) before a body (grey) and a speck brighter than either."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.full(SIZE, 20, np.uint8)
    image[60:200, 220:300] = 40
    image[(u - 60 - 2 * t) ** 2 + (v - 120) ** 2 < 40**2] = 200
    image[5:9, 5:9] = 250
    return image


def _write_avi(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 30, SIZE[::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.repeat(frame[..., None], 3, axis=2))
    writer.release()


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
    """Two training videos and a test video of 50 frames, the gesture in frames 4 to 43."""
    root = tmp_path_factory.mktemp('nv')
    videos = [(1, 13, 0, 'train'), (25, 13, 1, 'train'), (2, 4, 0, 'test')]
    lists = {'train': [], 'test': []}
    for c, s, r, split in videos:
        folder = root / 'Video_data' / f'class_{c:02d}' / f'subject{s}_r{r}'
        _write_avi(folder / 'sk_depth.avi', [_image(t) for t in range(50)])
        lists[split].append(LINE.format(c=c, s=s, r=r, a=4, b=44))
    for split, lines in lists.items():
        path = root / f'nvgesture_{split}_correct_cvpr2016_v2.lst'
        path.write_text('\n'.join(lines) + '\n')
    return root


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('nv_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_list_lines(tmp_path):
    line = (
        'path:./Video_data/class_01/subject13_r0 depth:sk_depth:132:212 color:sk_color:132:212 '
        'duo_left:duo_left:98:178 duo_right:duo_right:98:178 duo_disparity:duo_disparity:98:178 '
        'label:1'
    )
    entry = parse_gesture_line(line)
    assert entry.video == 'Video_data/class_01/subject13_r0/sk_depth.avi'
    assert (entry.start, entry.stop, entry.label, entry.subject) == (132, 212, 0, 13)
    assert entry.video_id == 'class_01_subject13_r0'
    path = tmp_path / 'a.lst'
    for bad, what in (
        (line.replace('label:1', 'label:26'), 'label:1..25'),
        (line.replace('132:212', '212:132'), 'START < END'),
        (line.replace('depth:sk_depth:132:212 ', ''), 'depth:FILE:START:END'),
        (line.replace('./Video_data', '../../Video_data'), 'a path below the list'),
        (line.replace('sk_depth:', '../sk_depth:'), 'a path below the list'),
        (f'{line}\n{line}', 'occurs twice'),
    ):
        path.write_text(bad)
        with pytest.raises(ValueError, match=f'a.lst, line [12]: .*{what}'):
            read_gesture_list(path)


def test_segmentation():
    image = _image(0)
    mask = segment_hand(image)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = (u - 60) ** 2 + (v - 120) ** 2 < 40**2
    # the largest bright region, a pixel smaller all around
    inner = cv2.erode(disc.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    np.testing.assert_array_equal(mask, inner)
    dark = segment_hand(255 - image, foreground='dark')
    np.testing.assert_array_equal(dark, inner)
    assert not segment_hand(np.full(SIZE, 7, np.uint8)).any()
    with pytest.raises(ValueError, match='of uint8'):
        segment_hand(image.astype(float))


def test_frames_of_an_avi(raw, tmp_path):
    path = next(raw.rglob('sk_depth.avi'))
    frames = read_avi_frames(path, [0, 3, 3, 49, 60, 61])
    assert [frame.shape for frame in frames] == [SIZE] * 4
    for frame, t in zip(frames, (0, 3, 3, 49), strict=True):
        assert np.abs(frame.astype(int) - _image(t)).mean() < 4  # MJPG is lossy
    with pytest.raises(ValueError, match='ends before frame 60'):
        read_avi_frames(path, [60])
    with pytest.raises(FileNotFoundError, match='no such file'):
        read_avi_frames(tmp_path / 'none.avi', [0])
    (tmp_path / 'bad.avi').write_bytes(b'RIFF' + bytes(100))
    with pytest.raises(ValueError, match='not an AVI|not a video|ends before'):
        read_avi_frames(tmp_path / 'bad.avi', [0])


def test_conversion(tool, raw, tmp_path):
    out = tmp_path / 'out'
    assert tool.main([str(raw), str(out), '--workers', '1']) == 0
    train = NvGestureDataset(ann_file=str(out / 'annotations.json'), split='train')
    test = NvGestureDataset(ann_file=str(out / 'annotations.json'), split='test')
    assert (train.num_videos, len(train), test.num_videos) == (2, 2, 1)
    assert train.get_data_info(1)['gt_label'] == 24 and len(train.metainfo['classes']) == 25
    store = PointVideoStore(out / 'videos' / 'class_01_subject13_r0.pvs')
    assert store.num_frames == 32
    batch = store.read(range(32))
    frames = np.linspace(4, 43, 32).round()
    for i, t in enumerate(frames):
        points = batch.frame(i)
        assert np.abs(points[:, :2].mean(axis=0) - (60 + 2 * t, 120)).max() < 1
        assert np.abs(points[:, 2] - 200).mean() < 5
        assert abs(len(points) - np.pi * 39**2) < 150
    # a second run finds everything done
    assert tool.main([str(raw), str(out), '--workers', '1']) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    assert report['counts']['existing'] == 3


def test_normalised_clips(tool, raw, tmp_path):
    out = tmp_path / 'out'
    assert tool.main([str(raw), str(out), '--workers', '1', '--frames', '8']) == 0
    pipeline = [
        dict(type='SampleFrames'),
        dict(type='LoadPointVideoFrames'),
        dict(type='SamplePoints', num_points=64),
        dict(type='NormalizeClip'),
        dict(type='PackPointVideoInputs'),
    ]
    dataset = NvGestureDataset(
        ann_file=str(out / 'annotations.json'), split='test', num_frames=8, pipeline=pipeline
    )
    points = dataset[0]['inputs'].numpy()
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    assert points.shape == (8, 64, 3) and np.abs(low + high).max() < 1e-5
    assert (high - low).max() == pytest.approx(2, abs=1e-5)
    # u moves by more than v, which stays about as wide as the disc
    assert high[0] == pytest.approx(1, abs=1e-5) and 0.3 < high[1] < 0.8


def test_damaged_and_missing_videos_are_reported(tool, raw, tmp_path):
    source = tmp_path / 'raw'
    source.mkdir()
    for name in tool.LISTS.values():
        (source / name).write_text((raw / name).read_text())
    good = source / 'Video_data' / 'class_02' / 'subject4_r0' / 'sk_depth.avi'
    _write_avi(good, [_image(t) for t in range(20)])  # ends before the gesture does
    bad = source / 'Video_data' / 'class_01' / 'subject13_r0' / 'sk_depth.avi'
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b'nothing')
    out = tmp_path / 'out'
    assert tool.main([str(source), str(out), '--workers', '1']) == 0
    report = json.loads((out / 'conversion_report.json').read_text())
    status = {video['video_id']: video['status'] for video in report['videos']}
    assert status == dict(
        class_01_subject13_r0='dropped',
        class_25_subject13_r1='dropped',
        class_02_subject4_r0='converted',
    )
    assert PointVideoStore(out / 'videos' / 'class_02_subject4_r0.pvs').num_frames == 32
    # of the frames 4, 5, 7, ... 43 those up to 19 are there
    there = int((np.linspace(4, 43, 32).round() < 20).sum())
    repairs = next(v for v in report['videos'] if v['status'] == 'converted')['repairs']
    assert repairs == [
        f'the file ends after frame 19: {32 - there} of 32 frames repeat the last one'
    ]
    (source / tool.LISTS['test']).write_text((source / tool.LISTS['train']).read_text())
    with pytest.raises(ValueError, match='is in both lists'):
        tool.main([str(source), str(out)])
