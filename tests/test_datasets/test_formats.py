"""Raw and published formats: right values, clear errors, nothing executed."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets.formats import iter_msr_frames, read_msr_header, read_published_npz
from mmpointvideo.datasets.formats.published_npz import load_array_pickle


def bin_bytes(frames: np.ndarray) -> bytes:
    """A raw video of ``(T, H, W)``."""
    count, height, width = frames.shape
    return struct.pack('<iii', count, width, height) + frames.astype('<u4').tobytes()


def test_raw_depth(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 4000, (3, 24, 32))
    path = tmp_path / 'a01_s01_e01_sdepth.bin'
    path.write_bytes(bin_bytes(frames))
    assert read_msr_header(path) == (3, 32, 24)
    assert np.array_equal(np.stack(list(iter_msr_frames(path))), frames)


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (lambda d: b'', 'expected a header of 12 bytes, the file has 0'),
        (lambda d: d[:7], 'expected a header of 12 bytes'),
        (lambda d: d[:-1], 'truncated: 3 frames of 32 x 24 pixels need 9228 bytes'),
        (lambda d: d[:12], 'truncated'),
        (lambda d: d + b'\0\0\0\0', 'oversized'),
        (lambda d: b'RIFF' + d[4:], 'truncated'),
        (lambda d: b'\x89PNG\r\n\x1a\n\0\0\0\xff' + d, 'not a raw MSR depth video'),
        (lambda d: struct.pack('<iii', 2**31 - 1, 320, 240) + d[12:], 'truncated'),
        (lambda d: struct.pack('<iii', -1, 320, 240) + d[12:], 'not a raw MSR depth video'),
        (lambda d: struct.pack('<iii', 0, 320, 240), 'not a raw MSR depth video'),
        (lambda d: struct.pack('<iii', 1, 2**30, 2**30) + d[12:], 'not a raw MSR depth video'),
        (lambda d: struct.pack('<iii', 1, 0, 240), 'not a raw MSR depth video'),
    ],
)
def test_bad_raw_depth(tmp_path: Path, change, error: str) -> None:
    path = tmp_path / 'a01_s01_e01_sdepth.bin'
    path.write_bytes(change(bin_bytes(np.ones((3, 24, 32)))))
    with pytest.raises(ValueError, match=error) as caught:
        list(iter_msr_frames(path))
    assert str(path) in str(caught.value)


def object_array(clouds: list) -> np.ndarray:
    array = np.empty(len(clouds), object)
    for i, cloud in enumerate(clouds):
        array[i] = cloud
    return array


@pytest.mark.parametrize('dtype', ['<f8', '>f8', '<f4', '<i4', '<u2'])
@pytest.mark.parametrize('compressed', [False, True])
def test_published_npz(tmp_path: Path, dtype: str, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    clouds = [(rng.random((n, 3)) * 900).astype(dtype) for n in (5, 0, 17)]
    clouds.append(np.asfortranarray(clouds[2]))
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / 'a.npz', point_clouds=object_array(clouds), data=object_array(clouds[:1]))
    got = read_published_npz(tmp_path / 'a.npz')
    assert len(got) == 4
    for have, want in zip(got, clouds, strict=True):
        assert np.array_equal(have, want) and have.dtype == want.dtype
    assert len(read_published_npz(tmp_path / 'a.npz', key='data')) == 1


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_pickle_protocols_of_older_writers(protocol: int) -> None:
    clouds = object_array([np.arange(6.0).reshape(2, 3)])
    if protocol in (2, 5):  # not what np.save writes: refused, not guessed
        with pytest.raises(ValueError, match='pickle refused'):
            load_array_pickle(pickle.dumps(clouds, protocol))
        return
    data = pickle.dumps(clouds, protocol).replace(b'numpy._core.m', b'numpy.core.m')
    if protocol == 3:
        assert np.array_equal(load_array_pickle(data)[0].value, clouds[0])


def test_published_npz_with_equal_frames(tmp_path: Path) -> None:
    clouds = np.arange(24.0).reshape(2, 4, 3)
    for array in (clouds, clouds.astype(object)):
        np.savez(tmp_path / 'a.npz', point_clouds=array)
        assert np.array_equal(np.stack(read_published_npz(tmp_path / 'a.npz')), clouds)


class Touch:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class Chain:
    """Reaches for ``os.system`` through an admitted name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return getattr, (np.ndarray, 'tofile')


@pytest.mark.parametrize('kind', [Touch, Chain])
@pytest.mark.parametrize('place', ['element', 'instead', 'nested'])
def test_malicious_pickle_does_not_run(tmp_path: Path, kind: type, place: str) -> None:
    target = tmp_path / 'touched'
    good = np.zeros((4, 3))
    evil = {
        'element': object_array([good, kind(target)]),
        'instead': kind(target),
        'nested': object_array([object_array([good, [kind(target)]])]),
    }[place]
    stream = io.BytesIO()
    np.lib.format.write_array(stream, object_array([good]), allow_pickle=True)
    start = stream.getvalue().index(b'\n') + 1
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
        archive.writestr(
            'point_clouds.npy', stream.getvalue()[:start] + pickle.dumps(evil, protocol=4)
        )
    with pytest.raises(ValueError, match='pickle refused'):
        read_published_npz(tmp_path / 'a.npz')
    assert not target.exists()
    if kind is Touch:  # the plain way does run it: the test plants a live one
        np.load(tmp_path / 'a.npz', allow_pickle=True)['point_clouds']
        assert target.exists()


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'.',
        b'N.',
        b'\x80\x04K\x01.',
        b'\x80\x04\x96' + struct.pack('<Q', 2**40) + b'.',  # BYTEARRAY8 of a terabyte
        b'\x80\x04\x8e' + struct.pack('<Q', 2**40) + b'.',  # BINBYTES8
        b'\x80\x04Nr\xff\xff\xff\xff.',  # a memo of 2^32 entries
        b'\x80\x04cnumpy\nndarray\n)\x81.',
        b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR.',
        b'cnumpy\ndtype\n(C\x02O8\x88\x89tR.',
    ],
)
def test_hostile_pickles(data: bytes) -> None:
    with pytest.raises(ValueError, match='pickle refused'):
        load_array_pickle(data)


def test_damaged_npz(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, point_clouds=object_array([np.random.rand(50, 3)] * 3))
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    clouds = read_published_npz(path)
    for _ in range(100):
        bad = bytearray(data)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bad if rng.random() < 0.7 else data[: rng.integers(len(data))])
        try:
            got = read_published_npz(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:  # a flip in a time stamp, say
            assert all(np.array_equal(a, b) for a, b in zip(got, clouds, strict=True))
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"expected an array 'data', found \['point_clouds'\]"):
        read_published_npz(path, key='data')
    with pytest.raises(ValueError, match='the limit is 100'):
        read_published_npz(path, max_bytes=100)
    np.savez(path, point_clouds=np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r'frame 0: expected points \(n, 3\)'):
        read_published_npz(path)
    with pytest.raises(FileNotFoundError):
        read_published_npz(tmp_path / 'none.npz')
