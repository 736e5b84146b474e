"""LoadPointVideoFrames: exactly the stored values, and clear errors."""

import numpy as np
import pytest

from mmpointvideo.datasets.storage import PointVideoStoreError, PointVideoWriter
from mmpointvideo.datasets.transforms import LoadPointVideoFrames
from mmpointvideo.registry import TRANSFORMS


@pytest.fixture
def video(tmp_path):
    """A store of frames with 3, 5, 0 and 4 points, and what was written."""
    rng = np.random.default_rng(0)
    path = tmp_path / 'v.pvs'
    frames = []
    with PointVideoWriter(
        path, encoding='points', channels={'part': 'uint8', 'rgb': ('uint8', 3)}
    ) as writer:
        for count in (3, 5, 0, 4):
            xyz = rng.normal(size=(count, 3)).astype(np.float32)
            part = rng.integers(0, 9, count, dtype=np.uint8)
            rgb = rng.integers(0, 256, (count, 3), dtype=np.uint8)
            writer.append_points(xyz, {'part': part, 'rgb': rgb})
            frames.append((xyz, part, rgb))
    return str(path), frames


def test_frames_in_the_order_asked_for(video):
    path, frames = video
    load = TRANSFORMS.build(dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['part']))
    inds = [3, 0, 0, 2]
    results = load(dict(video_path=path, video_id='v', frame_inds=np.array(inds)))
    batch = results['frames']
    assert np.diff(batch.offsets).tolist() == [4, 3, 3, 0]
    assert results['feature_channels'] == ('rgb',)
    for t, frame in enumerate(inds):
        part = slice(batch.offsets[t], batch.offsets[t + 1])
        np.testing.assert_array_equal(batch.xyz[part], frames[frame][0])
        np.testing.assert_array_equal(batch.channels['part'][part], frames[frame][1])
        np.testing.assert_array_equal(batch.channels['rgb'][part], frames[frame][2])


def test_reads_no_more_channels_than_asked_for(video):
    batch = LoadPointVideoFrames()(dict(video_path=video[0], frame_inds=[0]))['frames']
    assert batch.channels == {}


def test_errors(video, tmp_path):
    path, _ = video
    for inds, shown in (([0, 4], r'0\.\.4'), ([-1, 2], r'-1\.\.2')):
        with pytest.raises(ValueError, match=f'video v: frame_inds {shown}.*4 frames'):
            LoadPointVideoFrames()(dict(video_path=path, video_id='v', frame_inds=inds))
    with pytest.raises(ValueError, match='normals'):
        LoadPointVideoFrames(channels=['normals'])(dict(video_path=path, frame_inds=[0]))
    with pytest.raises(FileNotFoundError, match='video w: no file'):
        LoadPointVideoFrames()(dict(video_path=f'{path}x', video_id='w', frame_inds=[0]))
    with pytest.raises(TypeError, match="sequence of names, got 'rgb'"):
        LoadPointVideoFrames(channels='rgb')
    with pytest.raises(ValueError, match=r"both of \['rgb'\]"):
        LoadPointVideoFrames(channels=['rgb'], labels=['rgb'])
    damaged = tmp_path / 'damaged.pvs'
    data = bytearray((tmp_path / 'v.pvs').read_bytes())
    data[70] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(PointVideoStoreError, match='damaged.pvs, frame 0'):
        LoadPointVideoFrames()(dict(video_path=str(damaged), frame_inds=[0]))
