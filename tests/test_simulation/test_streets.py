"""The street simulator against brute force, closed forms and its own seed."""

import math

import numpy as np
import pytest

from mmpointvideo.simulation.street_layout import ObserverPath, make_city_block
from mmpointvideo.simulation.street_shapes import Kind, Label, ShapeList, Shapes, yaw_rotation
from mmpointvideo.simulation.streets import (
    OMNI_VIEWS,
    OmniCamera,
    StreetSimulator,
    render_view,
)

cast = pytest.importorskip('mmpointvideo.simulation.street_raycast').cast

SMALL = OmniCamera(48, 32)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.linalg.det(q)


def random_solids(rng: np.random.Generator, count: int) -> Shapes:
    half = rng.uniform(0.2, 1.2, (count, 3))
    return Shapes(
        kind=np.arange(count) % 4,
        center=rng.uniform((-5, -3, 2), (5, 3, 9), (count, 3)),
        rotation=np.stack([random_rotation(rng) for _ in range(count)]),
        half=half,
        color=np.full((count, 3), 0.5),
        label=np.arange(count) + 2,
        texture=np.zeros(count, np.int64),
        instance=np.arange(count),
    )


def inside(shapes: Shapes, n: int, points: np.ndarray, grow: float) -> np.ndarray:
    """Whether points (..., 3) are in a solid whose half sizes are ``grow`` larger."""
    p = (points - shapes.center[n]) @ shapes.rotation[n]
    a, b, c = shapes.half[n] + grow
    if shapes.kind[n] == Kind.BOX:
        return (np.abs(p) <= (a, b, c)).all(-1)
    if shapes.kind[n] == Kind.ELLIPSOID:
        return ((p / (a, b, c)) ** 2).sum(-1) <= 1
    if shapes.kind[n] == Kind.CYLINDER:
        return (np.abs(p[..., 1]) <= b) & ((p[..., 0] / a) ** 2 + (p[..., 2] / c) ** 2 <= 1)
    h = shapes.half[n, 1]
    to_axis = p - np.clip(p[..., 1:2], -h, h) * np.array([0, 1.0, 0])
    return (to_axis**2).sum(-1) <= a * a


def test_cast_finds_the_first_solid_of_every_ray():
    rng = np.random.default_rng(0)
    shapes = random_solids(rng, 16)
    view, eye = random_rotation(np.random.default_rng(7)), np.array([0.3, -0.2, 0.1])
    shapes = shapes._replace(center=shapes.center @ view.T + eye, rotation=view @ shapes.rotation)
    height, width, focal = 24, 36, 20.0
    depth, index = np.full((height, width), np.inf), np.full((height, width), -1)
    form = (shapes.kind, shapes.center, shapes.rotation, shapes.half)
    cast(*form, eye, view, focal, 18.0, 12.0, depth, index)
    v, u = np.mgrid[:height, :width]
    rays = np.stack([-(u - 18.0) / focal, (v - 12.0) / focal, np.ones(u.shape)], -1) @ view.T
    assert 0.3 < (index >= 0).mean() < 0.95
    assert len(np.unique(index)) > 12
    for n in range(16):
        mine = index == n
        hit = eye + rays[mine] * depth[mine][:, None]
        assert inside(shapes, n, hit, 1e-6).all()
        assert not inside(shapes, n, hit, -1e-6).any()
    # nothing lies before the hit, or anywhere where there is none
    for t in np.linspace(0.06, 16.0, 400):
        before = t < depth - 1e-6
        points = eye + rays * t
        for n in range(16):
            assert not inside(shapes, n, points[before], 0.0).any()


def test_cast_from_beside_and_above_large_boxes():
    """Solids that reach behind the camera cover the right pixels."""
    out = ShapeList()
    out.slab((-50, 50), (-50, 50), (-1.0, 0.0), Label.ROAD, (0.5, 0.5, 0.5))
    out.slab((3, 4), (-50, 50), (0.0, 9.0), Label.BUILDING, (0.5, 0.5, 0.5))
    pose = np.eye(4)
    pose[:3, 3] = (0, -2, 0)
    camera = OmniCamera(64, 48)
    images = render_view(out.shapes(), pose, camera)
    v, u = np.mgrid[:48, :64].astype(float)
    x, y = -(u - 32) / camera.focal, (v - 24) / camera.focal
    with np.errstate(divide='ignore'):
        ground = np.where(y > 0, 2 / y, np.inf)
        wall = np.where(x > 0, 3 / x, np.inf)
    with np.errstate(invalid='ignore'):
        above_ground = 2 - y * wall
    wall[(above_ground > 9) | (above_ground < 0) | (wall > 50)] = np.inf
    ground[ground > 50] = np.inf
    expected = np.minimum(ground, wall)
    seen = np.isfinite(expected)
    np.testing.assert_array_equal(images.label == Label.SKY, ~seen)
    np.testing.assert_array_equal(images.depth[seen], np.rint(100 * expected[seen]))
    assert (images.depth[~seen] == 65535).all()
    assert (images.label[seen & (wall < ground)] == Label.BUILDING).all()
    assert (images.label[seen & (ground < wall)] == Label.ROAD).all()


def test_shapes_turn_and_move():
    out = ShapeList(instance=5)
    out.box(1.0, 0.0, 2.0, (1, 2, 4), Label.CAR, (1, 0, 0))
    out.rod((0, 0, 0), (0, 3, 4), 0.5, Label.POLE, (1, 0, 0))
    shapes = out.shapes()
    np.testing.assert_allclose(shapes.center, [[1, -1, 2], [0, -1.5, 2]])
    np.testing.assert_allclose(shapes.half, [[0.5, 1, 2], [0.5, 2.5, 0.5]])
    np.testing.assert_allclose(shapes.rotation[1][:, 1], [0, -0.6, 0.8])
    moved = shapes.moved(math.pi / 2, np.array([10.0, 0, 0]))
    np.testing.assert_allclose(moved.center[0], [12, -1, -1])  # forward becomes left
    np.testing.assert_allclose(moved.rotation[0] @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(yaw_rotation(0.3) @ yaw_rotation(0.5), yaw_rotation(0.8))
    for rotation in moved.rotation:
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
    with pytest.raises(ValueError, match='no solid'):
        ShapeList().shapes()


@pytest.mark.parametrize('turn', ['none', 'left', 'right'])
def test_observer_drives_smoothly(turn):
    path = ObserverPath(speed=5.0, crossing=30.0, turn=turn, sway=0.2, phase=1.0)
    poses = np.array([path.pose(t) for t in np.arange(0, 12, 0.01)])
    step = np.diff(poses[:, :2], axis=0)
    np.testing.assert_allclose(np.hypot(*step.T), 0.05, rtol=0.06)
    heading = np.arctan2(*step.T)
    np.testing.assert_allclose(poses[:-1, 2], heading, atol=0.05)
    end = {'none': (-1.8, None), 'left': (None, 31.8), 'right': (None, 28.2)}[turn]
    for value, wanted in zip(poses[-1, :2], end, strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=0.25)


def test_same_seed_same_street():
    a, b = (StreetSimulator([0, 1, 2], 4, SMALL) for _ in range(2))
    first = a.render(3)
    b.render(0)  # frames do not depend on the order in which they are drawn
    for view, images in b.render(3).items():
        for name, value in vars(images).items():
            np.testing.assert_array_equal(value, vars(first[view])[name])
    other = StreetSimulator([0, 0, 2], 4, SMALL).render(3)
    assert not np.array_equal(other['Omni_F'].depth, first['Omni_F'].depth)


def test_views_share_a_place_and_look_around():
    street = StreetSimulator(3, 5, SMALL)
    poses = {view: street.pose(2, view) for view in OMNI_VIEWS}
    for view, pose in poses.items():
        np.testing.assert_allclose(pose[:3, 3], poses['Omni_F'][:3, 3])
        assert pose[1, 3] == -street.camera.above_ground
        np.testing.assert_allclose(pose[:3, 1], (0, 1, 0), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1), view
    forward = poses['Omni_F'][:3, 2]
    np.testing.assert_allclose(poses['Omni_B'][:3, 2], -forward, atol=1e-12)
    # the first column of a pose points to the left
    np.testing.assert_allclose(poses['Omni_L'][:3, 2], poses['Omni_F'][:3, 0], atol=1e-12)
    np.testing.assert_allclose(poses['Omni_R'][:3, 2], -poses['Omni_F'][:3, 0], atol=1e-12)
    with pytest.raises(IndexError, match='expected 0..4'):
        street.pose(5, 'Omni_F')


def test_neighbouring_views_meet():
    """The last column of the left view continues in the first one of the front view."""
    street = StreetSimulator(4, 1, OmniCamera(96, 64))
    views = street.render(0)
    left, front = views['Omni_L'], views['Omni_F']
    # at 90 degrees the seam is at u = W for the left view; its neighbours differ little
    assert (left.label[:, -1] == front.label[:, 0]).mean() > 0.85


def test_movers_move_and_the_rest_stays():
    block = make_city_block(np.random.default_rng(5), 4.0)
    before, after = block.shapes(0.0), block.shapes(1.5)
    count = len(block.static.kind)
    assert len(before.kind) == len(after.kind) > count
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a[:count], b[:count])
    kinds = {mover.kind for mover in block.movers}
    assert kinds == {'car', 'pedestrian', 'bicycle'}
    for mover in block.movers:
        shift = mover.at(1.5).center.mean(0) - mover.at(0.0).center.mean(0)
        way = 1.5 * mover.speed * np.array([math.sin(mover.yaw), 0, math.cos(mover.yaw)])
        np.testing.assert_allclose(shift, way, atol=0.2 if mover.kind == 'pedestrian' else 1e-9)
    ids = {mover.instance for mover in block.movers}
    assert len(ids) == len(block.movers) and 0 not in ids


def test_every_class_occurs():
    """In a handful of streets all twelve classes, void and sky are seen."""
    seen = set()
    for seed in range(6):
        for images in StreetSimulator(seed, 10, OmniCamera(128, 76)).render(5).values():
            seen |= set(np.unique(images.label).tolist())
    assert seen == {int(label) for label in Label}


def test_bad_options():
    with pytest.raises(ValueError, match='num_frames'):
        StreetSimulator(0, 0)
    with pytest.raises(ValueError, match='size'):
        OmniCamera(1, 40)
    with pytest.raises(ValueError, match='focal'):
        OmniCamera(10, 10, focal=0.0)
