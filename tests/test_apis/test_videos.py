"""Videos in every form people have them."""

import numpy as np
import pytest
import torch

from mmpointvideo.apis import Video, open_video
from mmpointvideo.apis.videos import video_name
from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.testing import tiny_clip, write_tiny_dataset
from mmpointvideo.visualization import PointClip, write_points


def write_raw(path, depth):
    header = np.array([len(depth), depth.shape[2], depth.shape[1]], '<i4')
    path.write_bytes(header.tobytes() + depth.astype('<u4').tobytes())


def test_store(tmp_path):
    write_tiny_dataset(tmp_path, num_classes=1, subjects=(1,), num_frames=(6,))
    path = tmp_path / 'videos' / 'a01_s01_e01.pvs'
    video = open_video(path)
    assert (video.name, video.num_frames, video.centers) == ('a01_s01_e01', 6, None)
    batch = video.read([3, 0], ['rgb'])
    expected = PointVideoStore(path).read([3, 0], ['rgb'])
    np.testing.assert_array_equal(batch.xyz, expected.xyz)
    np.testing.assert_array_equal(batch.channels['rgb'], expected.channels['rgb'])


@pytest.mark.parametrize('kind', ['ply', 'pcd', 'npy', 'bin'])
def test_folder(tmp_path, kind):
    clip = tiny_clip(12, 20)
    if kind in ('ply', 'pcd'):
        write_points(tmp_path, PointClip(list(clip)), 'height', kind)
    else:
        for t, frame in enumerate(clip):  # 10 comes after 9
            if kind == 'npy':
                np.save(tmp_path / f'{t}.npy', frame)
            else:
                np.column_stack([frame, np.zeros(20)]).astype('<f4').tofile(tmp_path / f'{t}.bin')
    video = open_video(tmp_path)
    assert video.num_frames == 12 and video.name == tmp_path.name
    batch = video.read(range(12), ())
    np.testing.assert_array_equal(batch.xyz.reshape(12, 20, 3), clip)
    np.testing.assert_array_equal(batch.offsets, np.arange(13) * 20)


def test_raw_depth(tmp_path):
    depth = np.zeros((2, 4, 6), int)
    depth[0, 1, 5] = 560
    depth[1, 2:, 3] = 280
    write_raw(tmp_path / 'a_sdepth.bin', depth)
    video = open_video(tmp_path / 'a_sdepth.bin')
    assert video.name == video.draw_key == 'a'  # as the converter names its store
    batch = video.read([0, 1], ())
    np.testing.assert_allclose(batch.xyz, [[4, -2, 560], [0, 0, 280], [0, 1, 280]])
    np.testing.assert_array_equal(batch.offsets, [0, 1, 3])


def test_names_are_those_of_a_data_set(tmp_path):
    for path, name in (
        ('data/videos/jump.pvs', 'jump'),
        ('data/videos/s1/jump.pvs', 's1/jump'),
        ('videos/data/videos/s1/v1.2.pvs', 's1/v1.2'),
        ('elsewhere/s1/jump.pvs', 'jump'),
        ('raw/a01_s01_e01_sdepth.bin', 'a01_s01_e01'),
        ('raw/A01_S01_E01_SDEPTH.BIN', 'a01_s01_e01'),
        ('videos/mine_sdepth.pvs', 'mine_sdepth'),
        ('videos/s1/folder_1.5', 's1/folder_1.5'),
    ):
        assert video_name(tmp_path / path) == name
    folder = tmp_path / 'videos' / 's1' / 'jump'
    write_points(folder, PointClip(list(tiny_clip(2, 20))))
    video = open_video(folder)
    assert video.name == video.draw_key == 's1/jump'
    video = open_video(folder, 'mine')
    assert (video.name, video.draw_key) == ('mine', 's1/jump')


def test_arrays():
    clip = tiny_clip(4, 20, num_features=3)
    for video in (clip, torch.from_numpy(clip), list(clip), [torch.from_numpy(f) for f in clip]):
        batch = open_video(video, 'x').read([2, 1], ['rgb'])
        np.testing.assert_array_equal(batch.frame(0), clip[2, :, :3])
        np.testing.assert_array_equal(batch.channels['rgb'][:20], clip[2, :, 3:])
    ragged = open_video([clip[0, :5], clip[1, :0], clip[2, :7]])
    assert ragged.read([0, 1, 2], ()).offsets.tolist() == [0, 5, 5, 12]
    assert open_video(ragged) is ragged


def test_missing_channels():
    video = Video([np.zeros((3, 3))], name='bare')
    with pytest.raises(ValueError, match="bare: the model needs the channel 'rgb'.*3 columns"):
        video.read([0], ['rgb'])


def test_bad_input(tmp_path):
    cases = [
        (tmp_path / 'no.pvs', FileNotFoundError, 'no video .*no.pvs: expected a frame store'),
        (tmp_path, ValueError, 'expected point clouds .*found none'),
        (np.zeros((3, 3)), ValueError, r'expected \(T, N, 3 \+ C\), got \(3, 3\)'),
        (np.zeros((2, 0, 3)), ValueError, 'the video is empty: no points in 2 frames'),
        (np.full((2, 3, 3), np.nan), ValueError, 'NaN or infinite values in frame 0'),
        ([np.zeros((3, 2))], ValueError, r'expected \(n, 3 \+ C\) in frame 0, got \(3, 2\)'),
        ([], TypeError, 'expected a frame store'),
        (7, TypeError, 'got int'),
    ]
    for video, kind, message in cases:
        with pytest.raises(kind, match=message):
            open_video(video)
    (tmp_path / 'clip.mp4').write_bytes(b'x')
    with pytest.raises(ValueError, match="'.mp4' is no video: expected a frame store"):
        open_video(tmp_path / 'clip.mp4')
    (tmp_path / 'kitti.bin').write_bytes(b'\0' * 64)
    with pytest.raises(ValueError, match='not a raw MSR depth video'):
        open_video(tmp_path / 'kitti.bin')
    (tmp_path / 'a.ply').write_bytes(b'ply')
    with pytest.raises(ValueError, match=r"frames of one format, found \['.bin', '.ply'\]"):
        open_video(tmp_path)
