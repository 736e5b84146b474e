"""Raw and published formats: right values, clear errors, nothing executed."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets.formats import (
    iter_msr_frames,
    read_msr_header,
    read_point_file,
    read_published_npz,
)
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


POINTS = np.array([[0, 1, 2], [-3.5, 4, 1e3], [0.25, -7, 8]], np.float32)
COLOURS = np.array([[255, 0, 1], [2, 3, 4], [5, 6, 7]], np.uint8)
LABELS = np.array([3, 0, 12], np.int32)
FIELDS = [('x', '4'), ('y', '4'), ('z', '4'), ('red', '1'), ('green', '1'), ('blue', '1')]


def records(order: str) -> np.ndarray:
    kinds = 'fffBBBi'.replace('B', 'u')
    sizes = (4, 4, 4, 1, 1, 1, 4)
    names = ('x', 'y', 'z', 'red', 'green', 'blue', 'label')
    dtype = [(n, f'{order}{k}{s}') for n, k, s in zip(names, kinds, sizes, strict=True)]
    out = np.zeros(3, dtype)
    for i, name in enumerate(names[:3]):
        out[name] = POINTS[:, i]
    for i, name in enumerate(names[3:6]):
        out[name] = COLOURS[:, i]
    out['label'] = LABELS
    return out


def ply(style: str, body: bytes, count: int = 3, extra: str = '') -> bytes:
    properties = ''.join(f'property float {axis}\n' for axis in 'xyz')
    properties += ''.join(f'property uchar {c}\n' for c in ('red', 'green', 'blue'))
    return (
        f'ply\nformat {style} 1.0\ncomment made here\n{extra}element vertex {count}\n{properties}'
        'property int label\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n'
    ).encode() + body


def ascii_rows() -> bytes:
    rows = [
        ' '.join(map(str, [*p, *c, n]))
        for p, c, n in zip(POINTS.tolist(), COLOURS.tolist(), LABELS.tolist(), strict=True)
    ]
    return ('\n'.join(rows) + '\n').encode()


def pcd(style: str, body: bytes, count: int = 3) -> bytes:
    return (
        '# .PCD v.7\nVERSION .7\nFIELDS x y z rgb label\nSIZE 4 4 4 4 4\nTYPE F F F U I\n'
        f'COUNT 1 1 1 1 1\nWIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\n'
        f'DATA {style}\n'
    ).encode() + body


def pcd_records() -> np.ndarray:
    out = np.zeros(3, [(n, '<f4') for n in 'xyz'] + [('rgb', '<u4'), ('label', '<i4')])
    for i, name in enumerate('xyz'):
        out[name] = POINTS[:, i]
    out['rgb'] = COLOURS.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    out['label'] = LABELS
    return out


def lzf_literals(raw: bytes) -> bytes:
    """LZF of literal runs only."""
    parts = [raw[i : i + 32] for i in range(0, len(raw), 32)]
    return b''.join(bytes([len(part) - 1]) + part for part in parts)


def compressed_body() -> bytes:
    raw = b''.join(pcd_records()[name].tobytes() for name in ('x', 'y', 'z', 'rgb', 'label'))
    packed = lzf_literals(raw)
    return struct.pack('<II', len(packed), len(raw)) + packed


FILES = {
    'a.ply': ply('ascii', ascii_rows() + b'3 0 1 2\n'),
    'le.ply': ply('binary_little_endian', records('<').tobytes() + b'\3' + bytes(12)),
    'be.ply': ply('binary_big_endian', records('>').tobytes() + b'\3' + bytes(12)),
    'first.ply': ply(
        'binary_little_endian',
        b'\7\7' + records('<').tobytes() + b'\3' + bytes(12),
        extra='element camera 2\nproperty uchar id\n',
    ),
    'b.pcd': pcd('binary', pcd_records().tobytes()),
    'c.pcd': pcd('binary_compressed', compressed_body()),
    'a.pcd': pcd(
        'ascii',
        '\n'.join(' '.join(map(str, row)) for row in pcd_records().tolist()).encode(),
    ),
}


@pytest.mark.parametrize('name', FILES)
def test_ply_and_pcd(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    frame = read_point_file(path)
    assert np.array_equal(frame.xyz, POINTS) and frame.xyz.dtype == np.float32
    assert np.array_equal(frame.channels['rgb'], COLOURS)
    assert np.array_equal(frame.channels['label'], LABELS)
    assert set(frame.channels) == {'rgb', 'label'}


@pytest.mark.parametrize('name', FILES)
def test_damaged_ply_and_pcd(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = FILES[name]
    rng = np.random.default_rng(0)
    body = data.index(b'end_header\n' if name.endswith('ply') else b'DATA')
    for size in (0, 3, body, body + 20):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match='ply|pcd'):
            read_point_file(path)
    for _ in range(150):
        bad = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            bad[rng.integers(len(bad))] = rng.integers(256)
        path.write_bytes(bad)
        try:
            frame = read_point_file(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert frame.xyz.ndim == 2 and len(frame.xyz) <= len(data)


@pytest.mark.parametrize(
    ('name', 'data', 'error'),
    [
        ('a.ply', ply('binary_little_endian', b'', 2**31), 'truncated'),
        ('a.ply', ply('ascii', b'1 2 3\n' * 3), 'numbers a line'),
        ('a.ply', ply('zip', b''), 'unknown PLY format'),
        ('a.ply', b'ply\nformat ascii 1.0\nelement vertex 1\nproperty list uchar int x\n'
                  b'end_header\n', 'list properties'),
        ('a.ply', b'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n',
         'expected fields x, y, z'),
        ('a.pcd', pcd('binary', b'', 2**31), 'truncated'),
        ('a.pcd', pcd('binary_compressed', struct.pack('<II', 2**31, 2**31)), 'truncated'),
        ('a.pcd', pcd('binary_compressed', struct.pack('<II', 4, 60) + b'\xff\xff\xff\xff'), 'LZF'),
        ('a.pcd', pcd('zip', b''), 'unknown data format'),
        ('a.bin', bytes(15), 'not a whole number of points of 4 float32'),
        ('a.xyz', b'', 'expected one of'),
        ('a.npy', b'\x93NUMPY\x01\x00garbage', 'not a readable NPY'),
    ],
)  # fmt: skip
def test_refused_point_files(tmp_path: Path, name: str, data: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=error):
        read_point_file(tmp_path / name)


def test_lzf_back_references(tmp_path: Path) -> None:
    raw = b''.join(pcd_records()[name].tobytes() for name in ('x', 'y', 'z', 'rgb', 'label'))
    zeros = np.zeros_like(pcd_records()).tobytes()
    # one literal byte, then overlapping copies of it: 2 + 7 + 50 bytes of zeros
    packed = b'\x00\x00' + b'\xe0\x32\x00'
    assert 1 + 2 + 7 + 0x32 == len(raw) == len(zeros)
    body = struct.pack('<II', len(packed), len(raw)) + packed
    (tmp_path / 'a.pcd').write_bytes(pcd('binary_compressed', body))
    assert not read_point_file(tmp_path / 'a.pcd').xyz.any()


def test_npy_and_bin(tmp_path: Path) -> None:
    np.save(tmp_path / 'a.npy', POINTS)
    assert np.array_equal(read_point_file(tmp_path / 'a.npy').xyz, POINTS)
    np.save(tmp_path / 's.npy', records('<'))
    assert np.array_equal(read_point_file(tmp_path / 's.npy').channels['rgb'], COLOURS)
    wide = np.c_[POINTS, LABELS].astype(np.float32)
    np.save(tmp_path / 'w.npy', wide)
    with pytest.raises(ValueError, match='name its columns'):
        read_point_file(tmp_path / 'w.npy')
    wide.tofile(tmp_path / 'w.bin')
    for name in ('w.npy', 'w.bin'):
        frame = read_point_file(tmp_path / name, columns=('x', 'y', 'z', 'label'))
        assert np.array_equal(frame.xyz, POINTS)
        assert np.array_equal(frame.channels['label'], LABELS)
    np.save(tmp_path / 'o.npy', object_array([POINTS]), allow_pickle=True)
    with pytest.raises(ValueError, match='not a readable NPY'):
        read_point_file(tmp_path / 'o.npy')
    data = bytearray((tmp_path / 'a.npy').read_bytes())
    (tmp_path / 'huge.npy').write_bytes(data.replace(b'(3, 3), }   ', b'(300000000, 3), }')[:200])
    with pytest.raises(ValueError, match='not a readable NPY'):
        read_point_file(tmp_path / 'huge.npy')
    with pytest.raises(FileNotFoundError):
        read_point_file(tmp_path / 'none.npy')


def test_files_of_open3d(tmp_path: Path) -> None:
    o3d = pytest.importorskip('open3d', exc_type=ImportError)
    rng = np.random.default_rng(0)
    xyz = np.round(rng.normal(size=(500, 3)), 1)
    xyz[100:300] = xyz[0]  # something for the compressor to refer back to
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz))
    for name, options in {
        'a.ply': dict(write_ascii=True),
        'b.ply': dict(write_ascii=False),
        'a.pcd': dict(write_ascii=True),
        'b.pcd': dict(write_ascii=False),
        'c.pcd': dict(write_ascii=False, compressed=True),
    }.items():
        assert o3d.io.write_point_cloud(str(tmp_path / name), cloud, **options)
        np.testing.assert_allclose(read_point_file(tmp_path / name).xyz, xyz, atol=1e-6)
