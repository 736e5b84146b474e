"""Point cloud files that people have: right values, clear errors."""

import struct
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets.formats import read_point_file

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
    np.save(tmp_path / 'o.npy', np.array([POINTS, None], object), allow_pickle=True)
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


@pytest.mark.parametrize(
    'end', ['end_header \n', 'end_header\t\r\n', 'comment end_header\nend_header\n']
)
def test_the_end_of_a_ply_header(tmp_path: Path, end: str) -> None:
    path = tmp_path / 'a.ply'
    path.write_bytes(FILES['le.ply'].replace(b'end_header\n', end.encode()))
    assert np.array_equal(read_point_file(path).xyz, POINTS)
    path.write_bytes(FILES['le.ply'].replace(b'end_header\n', b'no_end_header\n'))
    with pytest.raises(ValueError, match='not a PLY file'):
        read_point_file(path)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    wide = np.c_[POINTS, LABELS].astype(np.float32)
    np.save(tmp_path / 'w.npy', wide)
    wide.tofile(tmp_path / 'w.bin')
    np.save(tmp_path / 's.npy', np.zeros(3, [(n, '<f4') for n in 'xyzX']))
    for style, body in (('ascii', ascii_rows()), ('binary_little_endian', bytes(3 * 19))):
        for name in (b'X', b'x'):
            data = ply(style, body).replace(b'int label', b'int ' + name)
            (tmp_path / f'{style}-{name.decode()}.ply').write_bytes(data)
    (tmp_path / 'a.pcd').write_bytes(pcd('binary', bytes(60)).replace(b'rgb label', b'rgb Z'))
    for path in sorted(tmp_path.iterdir()):
        columns = ('x', 'y', 'z', 'X') if path.stem == 'w' else None
        with pytest.raises(ValueError, match='expected fields of different names|more than once'):
            read_point_file(path, columns)
    with pytest.raises(ValueError, match=r"w\.npy: .* got \['x', 'y', 'z', 'X'\]: \['x'\] more"):
        read_point_file(tmp_path / 'w.npy', ('x', 'y', 'z', 'X'))
    # colours beside a field rgb stay what they are
    np.save(
        tmp_path / 'c.npy',
        np.zeros(3, [(n, '<f4') for n in 'xyz'] + [('rgb', '<i4')] + [(n, 'u1') for n in 'rgb']),
    )
    channels = read_point_file(tmp_path / 'c.npy').channels
    assert set(channels) == {'rgb', 'r', 'g', 'b'} and channels['rgb'].dtype == np.int32


def test_columns_of_files_with_names(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    np.save(tmp_path / 's.npy', records('<'))
    for name in (*FILES, 's.npy'):
        with pytest.raises(ValueError, match=rf"{name}: has names of its own: .* got \['x', 'y'"):
            read_point_file(tmp_path / name, ('x', 'y', 'z'))
