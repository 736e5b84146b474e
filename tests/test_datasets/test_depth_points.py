"""Points of depth frames: the compiled loop, NumPy and both libraries that inflate agree."""

import zlib

import numpy as np
import pytest

from mmpointvideo.datasets import depth_points, frame_codec
from mmpointvideo.datasets.depth_points import camera_rays, fill_points

MAX = frame_codec.MAX_DEPTH
CAMERA = (30, 40, 35.5, 19.3, 14.1)


def parts_of(depth):
    block, mask = frame_codec.encode_depth(depth)
    count = np.count_nonzero(mask)
    return frame_codec.split_depth(block.data, block.raw_size, count, *depth.shape), count


def points(depth, rays):
    """What the format says, pixel by pixel."""
    v, u = np.nonzero(depth)
    z = depth[v, u].astype(np.float32)
    return np.stack([rays.columns[u] * z, rays.rows[v] * z, z], axis=1)


def rising(delta):
    return np.where(delta == frame_codec.ESCAPE, delta, 1).astype(np.int8)


@pytest.fixture(params=['numba', 'numpy'])
def kernel(request, monkeypatch):
    if request.param == 'numba':
        pytest.importorskip('numba')
        assert depth_points.compiled_kernel() is not None
    else:
        monkeypatch.setattr(depth_points, 'compiled_kernel', lambda: None)
    return request.param


# boxes narrower than a byte of the mask, exactly as wide, and the whole image
@pytest.mark.parametrize('width', [1, 2, 3, 7, 8, 9, 16, 40])
def test_points_of_boxes_of_every_width(kernel, width):
    rng = np.random.default_rng(width)
    rays = camera_rays(*CAMERA)
    depth = np.zeros((30, 40), np.int64)
    box = rng.integers(1, 60000, (21, width)) * (rng.random((21, width)) < 0.7)
    depth[4:25, 40 - width :] = box  # differences that escape, holes, empty bytes of the mask
    parts, count = parts_of(depth)
    xyz = np.full((count, 3), np.nan, np.float32)
    fill_points(xyz, parts, rays)
    np.testing.assert_array_equal(xyz, points(depth, rays))


def test_depths_up_to_the_largest(kernel):
    depth = np.zeros((30, 40), np.int64)
    depth[10, 5:9] = [1, frame_codec.MAX_DEPTH, 1, 128]
    parts, count = parts_of(depth)
    xyz = np.empty((count, 3), np.float32)
    fill_points(xyz, parts, camera_rays(*CAMERA))
    np.testing.assert_array_equal(xyz[:, 2], depth[10, 5:9].astype(np.float32))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda p: p._replace(bits=p.bits ^ 128), 'points of the index'),
        (lambda p: p._replace(delta=np.full_like(p.delta, -1)), 'escaped depths'),
        (lambda p: p._replace(escapes=-p.escapes), 'no positive depth'),
        (lambda p: p._replace(escapes=p.escapes[:0]), 'escaped depths'),
        (lambda p: p._replace(escapes=p.escapes * 0 + MAX, delta=rising(p.delta)), 'no positive'),
    ],
    ids=['mask', 'residuals', 'negative', 'missing escape', 'overflow'],
)
def test_damage_is_named(kernel, change, message):
    depth = np.zeros((30, 40), np.int64)
    depth[3:20, 3:30] = 700
    parts, count = parts_of(depth)
    assert len(parts.escapes) == 1
    with pytest.raises(ValueError, match=message):
        fill_points(np.empty((count, 3), np.float32), change(parts), camera_rays(*CAMERA))


def test_both_libraries_inflate_alike(monkeypatch):
    isal = pytest.importorskip('isal.isal_zlib')
    assert frame_codec.inflate_library() is isal
    raw = np.random.default_rng(0).integers(0, 9, 5000).astype(np.uint8).tobytes()
    block = frame_codec.deflate(raw)
    damaged = [block[:-1], block + b'x', block[:40] + b'\x00\xff' * 20 + block[80:], b'', b'PK']
    for library in (isal, zlib):
        monkeypatch.setattr(frame_codec, 'inflate_library', lambda library=library: library)
        assert frame_codec.inflate(block, len(raw)) == raw
        for bad in damaged:
            with pytest.raises(ValueError, match='compressed data|cannot hold'):
                frame_codec.inflate(bad, len(raw))
        with pytest.raises(ValueError, match='compressed data'):
            frame_codec.inflate(block, len(raw) - 1)
