"""Every file that the toolbox reads, damaged: a clean error or a correct read.

``pytest tests/test_fuzz --fuzz-examples 500`` for the long run. No hang, no crash, and no
allocation beyond a bound, whatever a header claims.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import pickle
import pickletools
import resource
import time
import traceback
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

import mmpointvideo  # noqa: F401  (makes loading safe)
from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.base import PointVideoDataset
from mmpointvideo.datasets.formats.msr_bin import iter_msr_frames
from mmpointvideo.datasets.formats.ntu_depth import read_ntu_frame
from mmpointvideo.datasets.formats.nvgesture import read_avi_frames, read_gesture_list
from mmpointvideo.datasets.formats.point_files import read_point_file
from mmpointvideo.datasets.formats.published_npz import read_published_npz
from mmpointvideo.datasets.formats.synthia import (
    _read_png,
    read_intrinsics,
    read_npz_cloud,
    read_pose,
)
from mmpointvideo.datasets.ntu_rgbd_facts import read_video_list
from mmpointvideo.datasets.storage import PointVideoStore, PointVideoWriter
from mmpointvideo.engine.options import OverrideAction, merge_options
from mmpointvideo.simulation.ntu_skeletons import read_ntu_skeletons
from mmpointvideo.simulation.skeletons import read_msr_skeleton
from mmpointvideo.testing import interruption

from .mutations import apply, damage_member, edits, repair_store

#: Bytes that reading one of the tiny files below may take at most, and seconds of CPU.
MEMORY, SECONDS = 96 << 20, 20.0
RNG = np.random.default_rng(0)


def fuzz(pytestconfig: pytest.Config) -> settings:
    return settings(
        max_examples=pytestconfig.getoption('--fuzz-examples'),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# --- one small good file of every kind ---------------------------------------------------------


def store(encoding: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        camera = dict(width=20, height=16, focal=20.0) if encoding == 'depth' else None
        with PointVideoWriter(
            path, encoding=encoding, camera=camera, channels={'part': 'uint8'}
        ) as writer:
            for _ in range(3):
                if encoding == 'depth':
                    depth = RNG.integers(0, 3, (16, 20)) * RNG.integers(500, 900, (16, 20))
                    writer.append_depth(depth, {'part': (depth > 0).astype(np.uint8)})
                else:
                    part = RNG.integers(0, 5, 40).astype(np.uint8)
                    writer.append_points(RNG.random((40, 3), np.float32), {'part': part})

    return make


def checkpoint(new: bool) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        history = HistoryBuffer([1.0, 2.0], [1, 1])
        content = {
            'state_dict': torch.nn.Linear(3, 4).state_dict(),
            'message_hub': {'log_scalars': {'loss': history}},
            'meta': {'iter': 3, 'array': np.arange(3)},
        }
        torch.save(content, path, _use_new_zipfile_serialization=new)

    return make


def annotations(path: Path) -> None:
    videos = [
        dict(video_id=f'v{i}', video_path=f'videos/v{i}.pvs', num_frames=5, gt_label=i % 2)
        for i in range(3)
    ]
    write_annotations(path, dict(dataset_type='t', task='t', classes=['a', 'b']), videos)


def published_npz(path: Path) -> None:
    clouds = np.empty(3, object)
    for i in range(3):
        clouds[i] = RNG.random((5 + i, 3))
    np.savez_compressed(path, point_clouds=clouds)


def synthia_npz(path: Path) -> None:
    np.savez(
        path,
        pc=RNG.random((6, 3)),
        rgb=RNG.integers(0, 256, (6, 3)) / 255,
        semantic=RNG.integers(0, 12, 6).astype(np.uint8),
        center=np.zeros(3),
    )


def msr_bin(path: Path) -> None:
    depth = RNG.integers(0, 900, (2, 6, 8)).astype('<u4')
    path.write_bytes(np.array([2, 8, 6], '<i4').tobytes() + depth.tobytes())


def ply(style: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        head = (
            f'ply\nformat {style} 1.0\nelement vertex 5\nproperty float x\nproperty float y\n'
            'property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\n'
            'end_header\n'
        )
        if style == 'ascii':
            body = ''.join(f'{i}.5 {i} -{i} 1 2 3\n' for i in range(5)).encode()
        else:
            kind = np.dtype([('xyz', '<f4', 3), ('rgb', 'u1', 3)])
            body = np.ones(5, kind).tobytes()
        path.write_bytes(head.encode() + body)

    return make


def pcd(style: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        head = (
            'VERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 4\n'
            f'HEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 4\nDATA {style}\n'
        )
        if style == 'ascii':
            body = b'1 2 3 255\n' * 4
        else:
            raw = np.ones(16, '<f4').tobytes()
            body = raw
            if style == 'binary_compressed':  # literal runs of 32 bytes
                packed = b''.join(b'\x1f' + raw[i : i + 32] for i in range(0, 64, 32))
                body = np.array([len(packed), 64], '<u4').tobytes() + packed
        path.write_bytes(head.encode() + body)

    return make


def npy(path: Path) -> None:
    with open(path, 'wb') as file:
        np.save(file, RNG.random((7, 3), np.float32))


def kitti_bin(path: Path) -> None:
    path.write_bytes(RNG.random((7, 4), np.float32).tobytes())


def ntu_skeleton(path: Path) -> None:
    joint = ' '.join(['0.1'] * 12)
    frame = ['1', '72057594037931101 0 1 1 1 1 0 0.1 0.1 2', '25', *[joint] * 25]
    path.write_text('\n'.join(['2', *frame, *frame]) + '\n')


def msr_skeleton(path: Path) -> None:
    path.write_text('160.0 120.0 800.0 1\n' * 40)


def avi(path: Path) -> None:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (32, 24), False)
    for _ in range(4):
        writer.write(RNG.integers(0, 255, (24, 32)).astype(np.uint8))
    writer.release()


def png(depth: bool) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import cv2

        shape = (424, 512) if depth else (12, 10, 3)
        image = np.zeros(shape, np.uint16)
        image[3:9, 2:8] = 700
        cv2.imwrite(str(path), image)

    return make


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


def packed_list(path: Path) -> None:
    path.write_bytes(gzip.compress(VIDEOS.encode()))


# --- what reads them ----------------------------------------------------------------------------


def read_store(path: Path) -> None:
    reader = PointVideoStore(path)
    reader.verify()
    assert reader.read(range(min(3, len(reader)))).xyz.shape[1] == 3


def read_checkpoint(path: Path) -> None:
    CheckpointLoader.load_checkpoint(str(path), map_location='cpu')


def read_clips(path: Path) -> None:
    for clips in ('all', 3, 'random'):
        dataset = PointVideoDataset(str(path), num_frames=2, clips=clips, check_files=False)
        assert len(dataset) >= dataset.num_videos > 0


def read_points(path: Path) -> None:
    frame = read_point_file(path)
    assert frame.xyz.ndim == 2 and frame.xyz.shape[1] == 3


def read_frames(path: Path) -> None:
    for frame in iter_msr_frames(path):
        assert frame.ndim == 2


def read_video(path: Path) -> None:
    images = read_avi_frames(path, [0, 2, 5])
    assert 1 <= len(images) <= 3 and all(image.ndim == 2 for image in images)


VIDEOS = 'S001C001P001R001A001 103\nS001C001P001R001A002 90\n'
MATRIX = '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n'
LIST = (
    'path:./Video_data/class_01/subject1_r0 depth:sk_depth:10:90 color:sk_color:9:89 label:1\n'
    'path:./Video_data/class_02/subject2_r0 depth:sk_depth:5:70 color:sk_color:4:69 label:2\n'
)
#: name: suffix, maker, reader, what repairs checksums
FORMATS: dict[str, tuple] = {
    'store of depth': ('.pvs', store('depth'), read_store, None),
    'store of depth, checksums right': ('.pvs', store('depth'), read_store, repair_store),
    'store of points, checksums right': ('.pvs', store('points'), read_store, repair_store),
    'checkpoint': ('.pth', checkpoint(True), read_checkpoint, None),
    'checkpoint, checksums right': ('.pth', checkpoint(True), read_checkpoint, damage_member),
    'checkpoint, old format': ('.pth', checkpoint(False), read_checkpoint, None),
    'annotations': ('.json', annotations, read_clips, None),
    'list of videos': ('.txt', text(VIDEOS), read_video_list, None),
    'list of videos, packed': ('.gz', packed_list, read_video_list, None),
    'published npz': ('.npz', published_npz, read_published_npz, None),
    'published npz, checksums right': (
        '.npz', published_npz, read_published_npz, damage_member,
    ),
    'synthia npz, checksums right': ('.npz', synthia_npz, read_npz_cloud, damage_member),
    'msr bin': ('.bin', msr_bin, read_frames, None),
    'kitti bin': ('.bin', kitti_bin, read_points, None),
    'ply ascii': ('.ply', ply('ascii'), read_points, None),
    'ply binary': ('.ply', ply('binary_little_endian'), read_points, None),
    'pcd ascii': ('.pcd', pcd('ascii'), read_points, None),
    'pcd binary': ('.pcd', pcd('binary'), read_points, None),
    'pcd compressed': ('.pcd', pcd('binary_compressed'), read_points, None),
    'npy': ('.npy', npy, read_points, None),
    'ntu skeleton': ('.skeleton', ntu_skeleton, read_ntu_skeletons, None),
    'msr skeleton': ('.txt', msr_skeleton, read_msr_skeleton, None),
    'gesture list': ('.lst', text(LIST), read_gesture_list, None),
    'synthia pose': ('.txt', text(MATRIX), read_pose, None),
    'synthia intrinsics': ('.txt', text('500\n\n320\n\n240\n'), read_intrinsics, None),
}  # fmt: skip
#: These are decoded by OpenCV: damaged ones are read in a process of their own.
NATIVE: dict[str, tuple] = {
    'avi': ('.avi', avi, read_video, None),
    'png': ('.png', png(False), lambda path: _read_png(path, True), None),
    'png of depth': ('.png', png(True), read_ntu_frame, None),
}
CLEAN = (ValueError, pickle.UnpicklingError)


def attempt(read: Callable[[Path], object], path: Path) -> bool:
    """Read a damaged file; whether it could be read.

    Everything but a clean error that names the file is a failure of the test.
    """
    start = time.process_time()
    tracemalloc.start()
    try:
        read(path)
        good = True
    except CLEAN as error:
        assert path.name in str(error), f'the file is not named: {error!r}'
        good = False
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - start < SECONDS
    assert peak < MEMORY, f'{peak} bytes for a file of {path.stat().st_size}'
    return good


def run_fuzz(kind: tuple, folder: Path, options: settings) -> None:
    global RNG
    suffix, make, read, repair = kind
    RNG = np.random.default_rng(0)
    torch.manual_seed(0)
    original = folder / f'good{suffix}'
    make(original)
    assert attempt(read, original)
    data = original.read_bytes()
    damaged = folder / f'damaged{suffix}'
    seen = dict(total=0, read=0)

    @options
    @given(edits())
    def check(changes: list) -> None:
        if repair is damage_member:
            damaged.write_bytes(damage_member(data, changes))
        else:
            content = apply(data, changes)
            damaged.write_bytes(repair(content) if repair else content)
        seen['total'] += 1
        seen['read'] += attempt(read, damaged)

    check()
    (folder / 'counts.json').write_text(json.dumps(seen))


def report(name: str, folder: Path, record_property: Callable) -> None:
    seen = json.loads((folder / 'counts.json').read_text())
    record_property('fuzz', f'{name}: {seen["total"]} damaged files, {seen["read"]} read')
    print(f'{name}: {seen["total"]} damaged files, {seen["read"]} read')


@pytest.mark.parametrize('name', FORMATS)
def test_damaged_files(
    name: str, tmp_path: Path, pytestconfig: pytest.Config, record_property: Callable
) -> None:
    run_fuzz(FORMATS[name], tmp_path, fuzz(pytestconfig))
    report(name, tmp_path, record_property)


def isolated(name: str, folder: Path, examples: int) -> None:
    log = os.open(folder / 'log', os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)  # OpenCV complains there
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    options = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_fuzz(NATIVE[name], folder, options)
    except BaseException:
        (folder / 'failure').write_text(traceback.format_exc())
        raise


@pytest.mark.parametrize('name', NATIVE)
def test_damaged_images_and_videos(
    name: str, tmp_path: Path, pytestconfig: pytest.Config, record_property: Callable
) -> None:
    """A crash of the decoder would end the process; 6 GiB of address space are all it has."""
    pytest.importorskip('cv2')
    import multiprocessing

    context = multiprocessing.get_context(interruption.START_METHOD)
    examples = pytestconfig.getoption('--fuzz-examples')
    process = context.Process(target=isolated, args=(name, tmp_path, examples))
    process.start()
    process.join(60 + examples * SECONDS)
    failure = tmp_path / 'failure'
    assert process.exitcode == 0, failure.read_text() if failure.exists() else process.exitcode
    report(name, tmp_path, record_property)


# --- claims of impossible sizes -----------------------------------------------------------------


def huge_png(path: Path) -> None:
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack('>I', zlib.crc32(name + data))
        return struct.pack('>I', len(data)) + name + data + crc

    head = struct.pack('>IIBBBBB', 30_000, 30_000, 16, 2, 0, 0, 0)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', head)
        + chunk(b'IDAT', zlib.compress(b'\0' * 1000))
        + chunk(b'IEND', b'')
    )


@pytest.mark.parametrize('read', [lambda path: _read_png(path, False), read_ntu_frame])
def test_an_image_of_a_billion_pixels_is_not_decoded(read: Callable, tmp_path: Path) -> None:
    pytest.importorskip('cv2')
    huge_png(tmp_path / 'huge.png')
    with pytest.raises(ValueError, match=r'huge\.png.*30000 x 30000'):
        read(tmp_path / 'huge.png')


def test_a_playlist_is_no_video(tmp_path: Path) -> None:
    """FFmpeg would open what it names, files and addresses."""
    pytest.importorskip('cv2')
    path = tmp_path / 'list.avi'
    path.write_text('#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n')
    with pytest.raises(ValueError, match=r'list\.avi: not an AVI file'):
        read_avi_frames(path, [0])


def test_a_store_of_two_billion_frames(tmp_path: Path) -> None:
    path = tmp_path / 'v.pvs'
    store('points')(path)
    data = path.read_bytes()
    changed = data[:12] + (2**31).to_bytes(4, 'little') + data[16:]
    path.write_bytes(repair_store(changed))
    assert not attempt(read_store, path)


def test_a_msr_video_of_two_billion_frames(tmp_path: Path) -> None:
    path = tmp_path / 'v.bin'
    path.write_bytes(np.array([2**31 - 1, 320, 240], '<i4').tobytes())
    assert not attempt(read_frames, path)


# --- files that want to run code ------------------------------------------------------------------


class Toucher:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def hostile_npz(path: Path, victim: Path, key: str) -> None:
    clouds = np.empty(2, object)
    clouds[:] = [np.zeros((4, 3)), Toucher(victim)]
    np.savez(path, **{key: clouds})


def test_a_malicious_pickle_in_an_npz_runs_nothing(tmp_path: Path) -> None:
    victim = tmp_path / 'touched'
    for key, read in (('point_clouds', read_published_npz), ('pc', read_npz_cloud)):
        path = tmp_path / f'{key}.npz'
        hostile_npz(path, victim, key)
        assert not attempt(read, path)
        assert not victim.exists()
    with np.load(tmp_path / 'point_clouds.npz', allow_pickle=True) as data:
        data['point_clouds']  # it does what it says, where nothing guards
    assert victim.exists()


def test_no_way_of_naming_a_function_reaches_it(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Pickles by hand: every opcode that fetches a global, many functions, two file formats."""
    victim = tmp_path / 'touched'
    functions = ['os mkdir', 'posix mkdir', 'builtins eval', 'builtins getattr', 'operator call']
    functions += ['torch.utils._pytree tree_map', 'numpy load', 'pickle loads', 'functools partial']

    @fuzz(pytestconfig)
    @given(st.sampled_from(functions), st.booleans(), st.booleans(), st.integers(2, 4))
    def check(function: str, stacked: bool, checkpointed: bool, protocol: int) -> None:
        module, name = function.encode().split()
        argument = str(victim).encode() if name == b'mkdir' else b'__import__("os").mkdir("x")'
        fetch = b'c' + module + b'\n' + name + b'\n'
        if stacked:  # STACK_GLOBAL
            fetch = b''.join(b'\x8c' + bytes([len(x)]) + x for x in (module, name)) + b'\x93'
        call = b'X' + len(argument).to_bytes(4, 'little') + argument + b'\x85R'
        payload = b'\x80' + bytes([protocol]) + fetch + call + b'.'
        pickletools.dis(payload, out=io.StringIO())  # a well-formed pickle
        path = tmp_path / ('bad.pth' if checkpointed else 'bad.npz')
        if checkpointed:
            checkpoint(True)(path)
            content = path.read_bytes()
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {info.filename: archive.read(info) for info in archive.infolist()}
            with zipfile.ZipFile(path, 'w') as archive:
                for member, value in members.items():
                    archive.writestr(member, payload if member.endswith('data.pkl') else value)
        else:
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                head, dict(descr='|O', fortran_order=False, shape=(2,))
            )
            with zipfile.ZipFile(path, 'w') as archive:
                archive.writestr('point_clouds.npy', head.getvalue() + payload)
        assert not attempt(read_checkpoint if checkpointed else read_published_npz, path)
        assert not victim.exists()

    check()


# --- the command line ---------------------------------------------------------------------------

KEYS = st.sampled_from(
    ['lr', 'model', 'model.type', 'hooks', 'hooks.0', 'hooks.0.type', 'hooks.7', 'a.b.c', '', '.']
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(['[', '(1,', '[1,2]', '(1,2', '1e999', '9' * 5000, '[' * 2000, 'None', '']),
    st.builds(lambda n: '[' * n + ']' * n, st.integers(0, 3000)),
)


def test_config_overrides(pytestconfig: pytest.Config, capsys: pytest.CaptureFixture) -> None:
    """Merged, or refused by name: exit status 2 of the command line, or a ValueError."""
    seen = dict(total=0, read=0)

    @fuzz(pytestconfig)
    @given(st.lists(st.one_of(st.builds('{}={}'.format, KEYS, VALUES), st.text(max_size=12)),
                    min_size=1, max_size=3))  # fmt: skip
    def check(words: list[str]) -> None:
        cfg = Config(dict(lr=0.1, model=dict(type='A'), hooks=[dict(type='B')]))
        parser = argparse.ArgumentParser()
        parser.add_argument('--cfg-options', nargs='+', action=OverrideAction)
        seen['total'] += 1
        try:
            parsed = parser.parse_args(['--cfg-options', *words])
            merge_options(cfg, parsed.cfg_options)
            seen['read'] += 1
        except SystemExit as error:
            assert error.code == 2
        except ValueError as error:
            assert '--cfg-options' in str(error)

    check()
    capsys.readouterr()
    print(f'config overrides: {seen["total"]} command lines, {seen["read"]} merged')
