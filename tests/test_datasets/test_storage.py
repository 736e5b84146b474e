"""The frame store: exactness, random access, several processes, damage, hostile files."""

import multiprocessing
import os
import pickle
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from mmpointvideo.datasets import frame_codec as codec
from mmpointvideo.datasets.storage import (
    PointVideoStore,
    PointVideoStoreError,
    PointVideoWriter,
)
from mmpointvideo.datasets.store_layout import (
    PREAMBLE_SIZE,
    Preamble,
    index_dtype,
    pack_preamble,
    unpack_preamble,
)

CAMERA = dict(width=64, height=48, focal=56.0, cx=32.0, cy=24.0)


def blob(rng: np.random.Generator, height: int = 48, width: int = 64, noise: int = 2):
    """A depth image ``(H, W)`` of a bumpy ellipse."""
    v, u = np.mgrid[:height, :width]
    cv, cu = rng.uniform(0.4, 0.6, 2) * (height, width)
    r = ((v - cv) / (0.35 * height)) ** 2 + ((u - cu) / (0.2 * width)) ** 2
    depth = 650 + np.rint(40 * r).astype(np.int64) + rng.integers(-noise, noise + 1, r.shape)
    return np.where(r < 1, depth, 0)


def make_frames(count: int = 8, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [blob(rng) for _ in range(count)]


def write_depth(path: Path, frames: list[np.ndarray]) -> Path:
    with PointVideoWriter(path, camera=CAMERA, channels=dict(part='uint8')) as writer:
        for depth in frames:
            writer.append_depth(depth, dict(part=depth % 7))
    return path


@pytest.fixture
def frames() -> list[np.ndarray]:
    return make_frames()


@pytest.fixture
def store_path(tmp_path: Path, frames: list[np.ndarray]) -> Path:
    return write_depth(tmp_path / 'a.pvs', frames)


def expected_points(depth: np.ndarray) -> np.ndarray:
    """Points by the formula, pixel by pixel, in float64."""
    rows = []
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            if depth[v, u]:
                z = float(depth[v, u])
                rows.append(((u - 32.0) / 56.0 * z, (v - 24.0) / 56.0 * z, z))
    return np.array(rows).reshape(-1, 3)


@pytest.mark.parametrize(
    'case', ['blob', 'noise', 'wide', 'empty', 'one', 'full', 'corners', 'steps', 'uint16']
)
def test_depth_round_trip_is_exact(tmp_path: Path, case: str) -> None:
    rng = np.random.default_rng(3)
    shape = (48, 64)
    depth = {
        'blob': blob(rng),
        'noise': rng.integers(0, 2, shape) * rng.integers(1, 2**16, shape),
        'wide': rng.integers(0, 2, shape) * rng.integers(1, 2**31 - 1, shape),
        'empty': np.zeros(shape, np.int32),
        'one': np.where(np.arange(48 * 64).reshape(shape) == 1234, 2**31 - 1, 0),
        'full': np.full(shape, 700),
        'corners': np.zeros(shape, np.int64),
        'steps': 1000 + np.array([-128, -127, 0, 127, 128, 255])[rng.integers(0, 6, shape)],
        'uint16': blob(rng).astype(np.uint16),
    }[case]
    if case == 'corners':
        depth[0, 0], depth[-1, -1] = 1, 5
    label = rng.integers(0, 256, shape)
    path = tmp_path / 'a.pvs'
    with PointVideoWriter(path, camera=CAMERA, channels=dict(label='uint8')) as writer:
        writer.append_depth(depth, dict(label=label))
    store = PointVideoStore(path)
    store.verify()
    assert np.array_equal(store.read_depth(0), depth)
    batch = store.read([0])
    assert np.array_equal(batch.channels['label'], label[depth > 0])
    expected = expected_points(depth)
    assert batch.xyz.shape == expected.shape and batch.xyz.dtype == np.float32
    np.testing.assert_allclose(batch.xyz, expected, rtol=3e-7)
    if case != 'wide' and case != 'one':  # float32 holds integers up to 2**24
        assert np.array_equal(batch.xyz[:, 2], depth[depth > 0])


def test_random_access_equals_sequential(store_path: Path, frames: list[np.ndarray]) -> None:
    store = PointVideoStore(store_path)
    assert store.num_frames == len(store) == len(frames)
    assert store.num_points.tolist() == [int((f > 0).sum()) for f in frames]
    single = [store.read([t]) for t in range(len(frames))]
    order = [5, 0, 7, 7, 2]
    batch = store.read(np.array(order))
    assert len(batch) == len(order) and batch.offsets.dtype == np.int64
    for i, frame in enumerate(order):
        assert np.array_equal(batch.frame(i), single[frame].xyz)
        part = batch.channels['part'][batch.offsets[i] : batch.offsets[i + 1]]
        assert np.array_equal(part, single[frame].channels['part'])
        assert np.array_equal(part, frames[frame][frames[frame] > 0] % 7)
    assert store.read([1], channels=[]).channels == {}
    empty = store.read([])
    assert empty.xyz.shape == (0, 3) and empty.offsets.tolist() == [0]


@pytest.mark.parametrize('dtype', ['float32', 'int16', 'int32'])
def test_points_round_trip(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(0)
    clouds = [(rng.normal(size=(n, 3)) * 1000).astype(dtype) for n in (40, 0, 1, 300)]
    path = tmp_path / 'p.pvs'
    channels = dict(rgb=('uint8', 3), label='int32', weight='float32')
    values = [
        dict(
            rgb=rng.integers(0, 256, (len(c), 3)).astype(np.uint8),
            label=rng.integers(-5, 5, len(c)),
            weight=rng.random(len(c), np.float32),
        )
        for c in clouds
    ]
    with PointVideoWriter(
        path, 'points', channels=channels, xyz_dtype=dtype, unit='m', meta=dict(a=[1, 'b'])
    ) as writer:
        for cloud, value in zip(clouds, values, strict=True):
            writer.append_points(cloud, value)
    store = PointVideoStore(path)
    store.verify()
    assert (store.encoding, store.unit, store.meta, store.camera) == (
        'points', 'm', dict(a=[1, 'b']), None,
    )  # fmt: skip
    batch = store.read([3, 1, 0, 2])
    assert np.array_equal(batch.xyz, np.concatenate([clouds[i] for i in (3, 1, 0, 2)]))
    for name in channels:
        want = np.concatenate([values[i][name] for i in (3, 1, 0, 2)])
        assert np.array_equal(batch.channels[name], want), name
    with pytest.raises(ValueError, match="needs encoding 'depth'"):
        store.read_depth(0)


def test_smaller_than_half_a_compressed_npz(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    camera = dict(width=320, height=240, focal=280.0)
    frames = [blob(rng, 240, 320) for _ in range(6)]
    with PointVideoWriter(tmp_path / 'a.pvs', camera=camera) as writer:
        for depth in frames:
            writer.append_depth(depth)
    clouds = np.empty(6, object)
    store = PointVideoStore(tmp_path / 'a.pvs')
    for t in range(6):
        clouds[t] = store.read([t]).xyz.astype(np.float64)
    np.savez_compressed(tmp_path / 'a.npz', point_clouds=clouds)
    assert os.path.getsize(tmp_path / 'a.pvs') < os.path.getsize(tmp_path / 'a.npz') / 5


def _read_all(store: PointVideoStore, seed: int, queue) -> None:
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(40):
        batch = store.read(rng.integers(0, store.num_frames, 5))
        total += float(batch.xyz.astype(np.float64).sum())
    queue.put((seed, total))


def test_two_forked_processes_share_a_store(store_path: Path) -> None:
    context = multiprocessing.get_context('fork')
    store, queue = PointVideoStore(store_path), context.Queue()
    store.read([0])
    processes = [context.Process(target=_read_all, args=(store, s, queue)) for s in (1, 2)]
    for process in processes:
        process.start()
    _read_all(store, 3, own := multiprocessing.SimpleQueue())
    got = dict(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert own.get()[0] == 3
    for seed in (1, 2):
        _read_all(store, seed, own)
        assert own.get() == (seed, got[seed])


def test_no_descriptor_stays_open(store_path: Path) -> None:
    before = len(os.listdir('/proc/self/fd'))
    stores = [PointVideoStore(store_path) for _ in range(50)]
    for store in stores:
        store.read([0, 1])
        store.verify()
    assert len(os.listdir('/proc/self/fd')) == before
    clone = pickle.loads(pickle.dumps(stores[0]))
    assert np.array_equal(clone.read([3]).xyz, stores[0].read([3]).xyz)
    assert len(pickle.dumps(stores[0])) < 4000


def _check(path: Path, frames: list[np.ndarray]) -> bool:
    """Whether the file reads; if it does it must read correctly."""
    try:
        store = PointVideoStore(path)
        store.verify()
    except PointVideoStoreError as error:
        assert str(path) in str(error)
        return False
    assert store.num_frames == len(frames)
    assert all(np.array_equal(store.read_depth(t), f) for t, f in enumerate(frames))
    return True


def test_flipped_bytes_are_found(tmp_path: Path, frames: list[np.ndarray]) -> None:
    frames = frames[:2]
    path = write_depth(tmp_path / 'a.pvs', frames)
    data = path.read_bytes()
    assert _check(path, frames)
    places = sorted({*range(0, len(data), 7), *range(PREAMBLE_SIZE)})
    for i, place in enumerate(places):
        bad = bytearray(data)
        bad[place] ^= 1 << (i % 8)
        path.write_bytes(bad)
        assert not _check(path, frames), place


def test_a_damaged_frame_is_named_and_the_others_read(
    store_path: Path, frames: list[np.ndarray]
) -> None:
    store = PointVideoStore(store_path)
    data = bytearray(store_path.read_bytes())
    data[int(store._offsets[3, 0]) + 5] ^= 4
    store_path.write_bytes(data)
    store = PointVideoStore(store_path)
    with pytest.raises(PointVideoStoreError, match=r'a\.pvs, frame 3: damaged \(checksum\)'):
        store.read([1, 3])
    with pytest.raises(PointVideoStoreError, match='frame 3'):
        store.verify(decode=False)
    assert np.array_equal(store.read_depth(4), frames[4])


def test_cut_or_extended_files_are_refused(store_path: Path) -> None:
    data = store_path.read_bytes()
    for size in (0, 1, 63, 64, 100, len(data) // 2, len(data) - 1):
        store_path.write_bytes(data[:size])
        with pytest.raises(PointVideoStoreError, match='truncated'):
            PointVideoStore(store_path)
    store_path.write_bytes(data + b'x')
    with pytest.raises(PointVideoStoreError, match='truncated or extended'):
        PointVideoStore(store_path)
    store_path.write_bytes(b'not a store at all, but long enough for a preamble' * 4)
    with pytest.raises(PointVideoStoreError, match='not a point video store'):
        PointVideoStore(store_path)
    with pytest.raises(FileNotFoundError):
        PointVideoStore(store_path.with_name('nothing.pvs'))


def test_truncation_after_opening_names_the_frame(store_path: Path) -> None:
    store = PointVideoStore(store_path)
    os.truncate(store_path, int(store._offsets[6, 0]) + 3)
    with pytest.raises(PointVideoStoreError, match='frame 6'):
        store.read([6])


def craft(path: Path, header: bytes, entries: list[tuple], payload: bytes, **changes: int) -> None:
    """A file with valid checksums and lying content."""
    blocks = len(entries[0][1]) if entries else 1
    index = np.array(entries, index_dtype(blocks)).tobytes()
    preamble = Preamble(
        num_frames=len(entries),
        header_offset=PREAMBLE_SIZE + len(payload),
        header_size=len(header),
        index_size=len(index),
        header_crc=zlib.crc32(header),
        index_crc=zlib.crc32(index),
    )._replace(**changes)
    path.write_bytes(pack_preamble(preamble) + payload + header + index)


def header_of(path: Path) -> bytes:
    data = path.read_bytes()
    preamble = unpack_preamble(data[:PREAMBLE_SIZE])
    return data[preamble.header_offset :][: preamble.header_size]


@pytest.fixture
def plain_header(tmp_path: Path) -> bytes:
    with PointVideoWriter(tmp_path / 'h.pvs', camera=CAMERA) as writer:
        writer.append_depth(np.zeros((48, 64), int))
    return header_of(tmp_path / 'h.pvs')


def peak_of(function) -> int:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def block(raw: bytes, num_points: int, raw_size: int | None = None) -> tuple[tuple, bytes]:
    data = codec.deflate(raw)
    size = len(raw) if raw_size is None else raw_size
    return (num_points, [len(data)], [size], [zlib.crc32(data)]), data


@pytest.mark.parametrize(
    'change',
    [
        dict(num_frames=2**31),
        dict(num_frames=2**32 - 1),
        dict(header_size=2**32 - 1),
        dict(header_offset=2**62),
        dict(index_size=2**62),
        dict(header_offset=0),
    ],
)
def test_hostile_preambles(tmp_path: Path, plain_header: bytes, change: dict) -> None:
    entry, data = block(struct.pack('<HHHHI', 0, 0, 0, 0, 0), 0)
    path = tmp_path / 'bad.pvs'
    craft(path, plain_header, [entry], data, **change)

    def attempt() -> None:
        with pytest.raises(PointVideoStoreError, match=r'bad\.pvs'):
            PointVideoStore(path)

    assert peak_of(attempt) < 1 << 20


@pytest.mark.parametrize(
    'case',
    ['points', 'raw size', 'box', 'bomb', 'mask', 'escapes', 'negative', 'no zlib', 'short'],
)
def test_hostile_frames(tmp_path: Path, plain_header: bytes, case: str) -> None:
    head = struct.Struct('<HHHHI')
    entry, data = {
        'points': lambda: block(head.pack(0, 0, 0, 0, 0), 2**32 - 1),
        'raw size': lambda: block(head.pack(0, 0, 0, 0, 0), 2**31, 2**32 - 1),
        'box': lambda: block(head.pack(0, 0, 65535, 65535, 0) + b'\0' * 1000, 0),
        'bomb': lambda: block(bytes(200 << 20), 0, 12),
        'mask': lambda: block(head.pack(0, 0, 1, 8, 0) + b'\xff' + bytes(3), 3),
        'escapes': lambda: block(head.pack(0, 0, 1, 8, 2**31) + b'\x80\x01', 1),
        'negative': lambda: block(head.pack(0, 0, 1, 8, 0) + b'\x80\xff', 1),
        'no zlib': lambda: ((0, [12], [12], [zlib.crc32(bytes(12))]), bytes(12)),
        'short': lambda: block(b'abc', 0),
    }[case]()
    path = tmp_path / 'bad.pvs'
    craft(path, plain_header, [entry], data)

    def attempt() -> None:
        with pytest.raises(PointVideoStoreError, match=r'bad\.pvs, frame 0'):
            PointVideoStore(path).read([0])

    assert peak_of(attempt) < 4 << 20


@pytest.mark.parametrize(
    'header',
    [
        b'{}',
        b'[]',
        b'null',
        b'\xff\xfe',
        b'[' * 100_000,
        b'{"format": "point_video_store", "encoding": "depth", "xyz_dtype": "O"}',
        b'{"format": "point_video_store", "encoding": "depth", "xyz_dtype": "float32", "unit": "",'
        b' "channels": {}, "meta": {}, "camera": {"width": 65000, "height": 65000, "focal": 1,'
        b' "cx": 0, "cy": 0}}',
        b'{"format": "point_video_store", "encoding": "points", "xyz_dtype": "float32",'
        b' "unit": "", "channels": {"a": ["object", 1]}, "meta": {}, "camera": null}',
    ],
)
def test_hostile_headers(tmp_path: Path, header: bytes) -> None:
    entry, data = block(struct.pack('<HHHHI', 0, 0, 0, 0, 0), 0)
    craft(tmp_path / 'bad.pvs', header, [entry], data)
    with pytest.raises(PointVideoStoreError, match=r'bad\.pvs: invalid header'):
        PointVideoStore(tmp_path / 'bad.pvs')


@pytest.mark.parametrize('existing', [False, True])
def test_nothing_is_left_when_writing_fails(
    tmp_path: Path, existing: bool, frames: list[np.ndarray]
) -> None:
    path = tmp_path / 'sub' / 'a.pvs'
    if existing:
        write_depth(path, frames)
    with (
        pytest.raises(RuntimeError, match='on purpose'),
        PointVideoWriter(path, camera=CAMERA) as writer,
    ):
        writer.append_depth(frames[1])
        assert len(list(path.parent.iterdir())) == 1 + existing
        raise RuntimeError('on purpose')
    left = [p.name for p in path.parent.iterdir()]
    assert left == (['a.pvs'] if existing else [])
    if existing:
        assert _check(path, frames)


@pytest.mark.parametrize(
    ('options', 'error'),
    [
        (dict(encoding='mesh'), 'encoding'),
        (dict(camera=None), 'camera'),
        (dict(camera=dict(CAMERA, focal=0)), 'focal > 0'),
        (dict(camera=dict(CAMERA, focal=float('nan'))), 'finite'),
        (dict(camera=dict(CAMERA, width=70000)), 'exceeds'),
        (dict(camera=dict(CAMERA, width=6.5)), 'integer'),
        (dict(camera=dict(CAMERA, skew=1)), 'camera'),
        (dict(channels=dict(a='float64')), "channel 'a'"),
        (dict(channels=dict(xyz='uint8')), 'channels'),
        (dict(xyz_dtype='float64'), 'xyz_dtype'),
        (dict(meta=dict(a=float('nan'))), 'JSON'),
    ],
)
def test_writer_refuses_bad_options(tmp_path: Path, options: dict, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        PointVideoWriter(tmp_path / 'a.pvs', **{'camera': CAMERA, **options})
    assert not list(tmp_path.iterdir())


def test_writer_refuses_bad_frames(tmp_path: Path) -> None:
    good = np.zeros((48, 64), int)
    with PointVideoWriter(tmp_path / 'a.pvs', camera=CAMERA, channels=dict(p='uint8')) as writer:
        with pytest.raises(TypeError, match='expected integers, got float64'):
            writer.append_depth(good * 1.0, dict(p=good))
        with pytest.raises(ValueError, match=r'expected \(48, 64\), got \(64, 48\)'):
            writer.append_depth(good.T, dict(p=good))
        with pytest.raises(ValueError, match=r'got -1\.\.-1'):
            writer.append_depth(good - 1, dict(p=good))
        with pytest.raises(ValueError, match=r"expected \['p'\], got \[\]"):
            writer.append_depth(good)
        with pytest.raises(ValueError, match='do not fit uint8'):
            writer.append_depth(good + 1, dict(p=good + 256))
        with pytest.raises(ValueError, match="needs encoding 'points'"):
            writer.append_points(np.zeros((1, 3)))
    with PointVideoWriter(tmp_path / 'b.pvs', 'points') as writer:
        with pytest.raises(ValueError, match='frame 0 holds NaN'):
            writer.append_points([[0, 0, np.nan]])
        with pytest.raises(ValueError, match='huge'):
            writer.append_points([[0, 0, 1e300]])
        with pytest.raises(ValueError, match=r'expected \(n, 3\), got \(3,\)'):
            writer.append_points(np.zeros(3))
    with PointVideoWriter(tmp_path / 'c.pvs', 'points', channels=dict(w='float32')) as writer:
        writer.append_points(np.zeros((2, 3)), dict(w=[1, 2]))
        for bad in (np.nan, np.inf, 1e300):
            with pytest.raises(ValueError, match='w: frame 1 holds NaN, infinite or huge values'):
                writer.append_points(np.zeros((2, 3)), dict(w=[1, bad]))
    assert PointVideoStore(tmp_path / 'c.pvs').num_frames == 1
    with pytest.raises(RuntimeError, match='not open'):
        writer.append_points(np.zeros((1, 3)))


def test_reader_refuses_bad_requests(store_path: Path) -> None:
    store = PointVideoStore(store_path)
    for bad in ([8], [-1], [0, 99]):
        with pytest.raises(IndexError, match=r'expected frames 0\.\.7'):
            store.read(bad)
    with pytest.raises(TypeError, match='sequence of integers'):
        store.read([0.5])
    with pytest.raises(ValueError, match='no channel'):
        store.read([0], channels=['colour'])
