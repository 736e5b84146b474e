"""The simulated depth sensor against closed forms."""

import builtins

import numpy as np
import pytest

from mmpointvideo.simulation import (
    MSR_BODY,
    MSR_CAMERA,
    NTU_BODY,
    NTU_CAMERA,
    PART_NAMES,
    BodyModel,
    DepthCamera,
    SensorNoise,
    render_depth,
    sample_subject,
    simulate_depth_video,
)
from mmpointvideo.simulation.kinematics import NEUTRAL, pose_body


def make_body(capsules, radii, parts) -> BodyModel:
    joints = int(np.max(capsules)) + 1
    return BodyModel(
        name='test',
        joint_names=tuple(f'joint{i}' for i in range(joints)),
        parents=np.arange(joints) - 1,
        capsules=np.array(capsules),
        radii=np.array(radii, dtype=float),
        parts=np.array(parts),
    )


def standing() -> np.ndarray:
    """A person of average build in the neutral stance, 2.8 m before the camera."""
    controls = {name: np.array([value]) for name, value in NEUTRAL.items()}
    left, up, forward = np.moveaxis(pose_body(controls, sample_subject(1))[0], 1, 0)
    return np.stack([left, -up, 700 - forward], axis=1)


def distance_to_segments(points, joints, body) -> np.ndarray:
    """``(n, K)``: distance of points to the surface of every capsule."""
    a, b = joints[body.capsules[:, 0]], joints[body.capsules[:, 1]]
    axis = b - a
    square = np.maximum((axis**2).sum(axis=1), 1e-12)
    share = ((points[:, None] - a) * axis).sum(axis=2) / square
    nearest = a + np.clip(share, 0, 1)[..., None] * axis
    return np.linalg.norm(points[:, None] - nearest, axis=2) - body.radii


class TestCamera:
    def test_depth_to_points_is_the_published_formula(self):
        depth = np.zeros((240, 320), int)
        depth[10, 300] = 560
        expected = [[(300 - 160) / 280 * 560, (10 - 120) / 280 * 560, 560]]
        np.testing.assert_allclose(MSR_CAMERA.depth_to_points(depth), expected)

    def test_round_trip(self):
        depth = np.random.default_rng(0).integers(0, 3, (240, 320)) * 377
        again = MSR_CAMERA.points_to_depth(MSR_CAMERA.depth_to_points(depth))
        np.testing.assert_array_equal(again, depth)

    def test_nearest_point_wins_and_what_is_behind_is_left_out(self):
        camera = DepthCamera(8, 6, 10.0)
        depth = camera.points_to_depth([[0, 0, 9], [0, 0, 4], [0, 0, -5], [99, 0, 1]])
        assert depth[3, 4] == 4
        assert (depth > 0).sum() == 1

    @pytest.mark.parametrize('options', [dict(width=0), dict(focal=0.0)])
    def test_invalid(self, options):
        with pytest.raises(ValueError, match='expected a positive size'):
            DepthCamera(**options)

    def test_wrong_image_size(self):
        with pytest.raises(ValueError, match=r'expected shape \(240, 320\), got \(2, 2\)'):
            MSR_CAMERA.depth_to_points(np.ones((2, 2)))


class TestRaycast:
    def test_sphere_is_the_closed_form(self):
        body = make_body([[0, 0]], [30], [1])
        centre = np.array([20.0, -15.0, 500.0])
        depth, part = render_depth(centre[None], body=body)
        v, u = np.mgrid[:240, :320]
        ray = MSR_CAMERA.unproject(u, v, np.ones(u.shape))
        dd, dc = (ray**2).sum(-1), ray @ centre
        root = dc**2 - dd * (centre @ centre - 30**2)
        expected = np.where(root >= 0, (dc - np.sqrt(np.maximum(root, 0))) / dd, np.inf)
        np.testing.assert_allclose(depth, expected, rtol=1e-12)
        np.testing.assert_array_equal(part, np.isfinite(expected))

    def test_cylinder_across_the_axis(self):
        body = make_body([[0, 1]], [20], [2])
        depth, _ = render_depth(np.array([[-100.0, 0, 400], [100.0, 0, 400]]), body=body)
        assert depth[120, 160] == pytest.approx(380)
        # A ray with slope s in y meets y**2 + (z - 400)**2 = 400 at this depth:
        s = (130 - 120) / 280
        expected = (400 - np.sqrt(400**2 - (1 + s * s) * (400**2 - 20**2))) / (1 + s * s)
        np.testing.assert_allclose(depth[130, 120:200], expected)
        # The right end is a half sphere.
        columns = np.flatnonzero(np.isfinite(depth[120]))
        tangent = 280 * np.tan(np.arctan2(100, 400) + np.arcsin(20 / np.hypot(100, 400)))
        assert columns[-1] == int(np.floor(160 + tangent))

    def test_capsule_along_the_viewing_ray(self):
        body = make_body([[0, 1]], [20], [2])
        depth, _ = render_depth(np.array([[0.0, 0, 300], [0.0, 0, 500]]), body=body)
        assert depth[120, 160] == pytest.approx(280)

    def test_tilted_capsules_against_dense_spheres(self):
        rng = np.random.default_rng(1)
        camera = DepthCamera(40, 30, 35.0)
        for _ in range(8):
            ends = rng.uniform((-60, -40, 150), (60, 40, 300), (2, 3))
            depth, _ = render_depth(ends, camera, make_body([[0, 1]], [15], [1]))
            share = np.linspace(0, 1, 2001)[:, None]
            centres = ends[0] * (1 - share) + ends[1] * share
            v, u = np.mgrid[:30, :40]
            ray = camera.unproject(u, v, np.ones(u.shape)).reshape(-1, 1, 3)
            dd, dc = (ray**2).sum(-1), (ray * centres).sum(-1)
            root = dc**2 - dd * ((centres**2).sum(-1) - 15**2)
            hits = np.where(root >= 0, (dc - np.sqrt(np.maximum(root, 0))) / dd, np.inf)
            expected = hits.min(axis=1).reshape(30, 40)
            np.testing.assert_array_equal(np.isfinite(depth), np.isfinite(expected))
            np.testing.assert_allclose(depth, expected, atol=0.02)

    @pytest.mark.parametrize('order', [[0, 1], [1, 0]])
    def test_the_nearer_one_hides_the_other(self, order):
        body = make_body([[order[0]] * 2, [order[1]] * 2], [20, 20], np.array([3, 4])[order])
        depth, part = render_depth(np.array([[0.0, 0, 300], [10.0, 0, 400]]), body=body)
        assert depth[120, 160] == pytest.approx(280)
        assert part[120, 160] == 3
        assert 4 in part

    def test_behind_or_outside_or_around_the_camera(self):
        body = make_body([[0, 0]], [20], [1])
        for centre in ([0.0, 0, -300], [5000.0, 0, 300], [0.0, 0, 0]):
            depth, part = render_depth(np.array([centre]), body=body)
            assert not np.isfinite(depth).any()
            assert not part.any()

    @pytest.mark.parametrize('swap', ['msr', 'ntu'])
    def test_points_lie_on_the_body_and_know_their_part(self, swap):
        body, camera, scale = MSR_BODY, MSR_CAMERA, 1.0
        joints = standing()
        if swap == 'ntu':
            body, camera, scale = NTU_BODY, NTU_CAMERA, 4.0
            names = {'hip_centre': 'spine_base', 'spine': 'spine_mid'}
            place = {names.get(n, n): j for n, j in zip(MSR_BODY.joint_names, joints, strict=True)}
            place['spine_shoulder'] = place['neck']
            for side in ('left', 'right'):
                place[f'{side}_hand_tip'] = place[f'{side}_thumb'] = place[f'{side}_hand']
            joints = 4 * np.array([place[name] for name in body.joint_names])
        depth, part = render_depth(joints, camera, body)
        seen = np.isfinite(depth)
        v, u = np.nonzero(seen)
        distance = distance_to_segments(camera.unproject(u, v, depth[seen]), joints, body)
        np.testing.assert_allclose(distance.min(axis=1), 0, atol=1e-6 * scale)
        owner = body.parts[distance.argmin(axis=1)]
        assert (owner == part[seen]).mean() > 0.999  # two capsules may meet in a pixel
        assert set(np.unique(part)) == set(range(len(PART_NAMES)))
        # Facing the camera, the right side is at the image's left; heads are up.
        centre = {name: np.argwhere(part == i).mean(axis=0) for i, name in enumerate(PART_NAMES)}
        for limb in ('upper_arm', 'forearm', 'thigh', 'shin'):
            assert centre[f'right_{limb}'][1] < centre[f'left_{limb}'][1]
        assert centre['head'][0] < centre['torso'][0] < centre['left_foot'][0]
        assert 3000 < seen.sum() < 12000

    def test_wrong_joints(self):
        with pytest.raises(ValueError, match=r"shape \(20, 3\) for the body 'msr', got \(19, 3\)"):
            render_depth(np.ones((19, 3)))
        with pytest.raises(ValueError, match='finite'):
            render_depth(np.full((20, 3), np.nan))

    def test_without_numba_says_what_to_install(self, monkeypatch):
        real = builtins.__import__

        def fail(name, *args, **kwargs):
            if name == 'raycast':
                raise ImportError("No module named 'numba'")
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, '__import__', fail)
        with pytest.raises(ImportError, match=r"pip install 'mmpointvideo\[fast\]'"):
            render_depth(standing())


class TestSimulate:
    def test_without_noise_is_the_rounded_depth(self):
        joints = standing()
        exact, exact_part = render_depth(joints)
        ((depth, part),) = simulate_depth_video(joints[None])
        assert depth.dtype == np.uint16
        assert part.dtype == np.uint8
        seen = np.isfinite(exact)
        np.testing.assert_array_equal(depth[seen], np.rint(exact[seen]))
        assert not depth[~seen].any()
        np.testing.assert_array_equal(part, exact_part)

    def test_seed_decides_and_frames_are_independent(self):
        joints = np.repeat(standing()[None], 3, axis=0)
        noise = SensorNoise.kinect()
        first = [d for d, _ in simulate_depth_video(joints, noise=noise, seed=5)]
        again = [d for d, _ in simulate_depth_video(joints[:2], noise=noise, seed=5)]
        other = [d for d, _ in simulate_depth_video(joints[:2], noise=noise, seed=6)]
        np.testing.assert_array_equal(first[:2], again)
        assert (first[0] != first[1]).any()
        assert (first[0] != other[0]).any()

    def test_noise_grows_with_the_square_of_the_depth(self):
        noise = SensorNoise(axial_std=3.0, reference=600.0)
        for z in (300.0, 600.0, 1200.0):
            spoilt = noise.apply(np.full((200, 200), z), np.random.default_rng(0))
            expected = np.hypot(3.0 * (z / 600) ** 2, 1 / np.sqrt(12))  # and rounding
            assert spoilt.std() == pytest.approx(expected, rel=0.02)
            assert spoilt.mean() == pytest.approx(z, abs=0.2)

    def test_quantization(self):
        depth = np.arange(90.0, 900.0, 0.7)[None]
        out = SensorNoise(quantization=8).apply(depth, np.random.default_rng(0))
        assert not (out % 8).any()
        assert np.abs(out - depth).max() <= 4

    def test_disparity_steps(self):
        noise = SensorNoise(disparity_step=6.0, reference=600.0)
        depth = np.arange(300.0, 1200.0, 0.25)[None]
        out = noise.apply(depth, np.random.default_rng(0))[0]
        levels = np.unique(out)
        for z, step in ((310.0, 1.5), (600.0, 6.0), (1150.0, 6.0 * (1150 / 600) ** 2)):
            i = np.searchsorted(levels, z)
            assert abs(np.diff(levels[i - 1 : i + 1])[0] - step) < 1.5

    def test_edge_dropout_takes_edges_only(self):
        depth = np.full((20, 30), np.inf)
        depth[5:15, 5:25] = 600.0
        depth[5:15, 15:25] = 500.0
        out = SensorNoise(edge_dropout=1.0).apply(depth, np.random.default_rng(0))
        expected = np.zeros((20, 30), bool)
        expected[6:14, 6:14] = expected[6:14, 16:24] = True
        np.testing.assert_array_equal(np.isfinite(out), expected)

    def test_dropout_rate(self):
        out = SensorNoise(dropout=0.25).apply(np.full((200, 200), 700.0), np.random.default_rng(0))
        assert np.isfinite(out).mean() == pytest.approx(0.75, abs=0.01)

    def test_lost_pixels_have_no_part(self):
        noise = SensorNoise(edge_dropout=0.8, dropout=0.2)
        ((depth, part),) = simulate_depth_video(standing()[None], noise=noise)
        np.testing.assert_array_equal(depth > 0, part > 0)

    def test_empty_view(self):
        joints = standing()[None] - [0, 0, 5000]
        ((depth, part),) = simulate_depth_video(joints, noise=SensorNoise.kinect())
        assert not depth.any()
        assert not part.any()

    def test_too_far_for_uint16(self):
        with pytest.raises(ValueError, match='frame 0: depth .* exceeds 65535'):
            body = MSR_BODY.scaled(200)
            list(simulate_depth_video(standing()[None] * 200, body=body))

    @pytest.mark.parametrize(
        ('options', 'match'),
        [
            (dict(axial_std=-1.0), 'axial_std'),
            (dict(quantization=0), 'quantization'),
            (dict(dropout=1.5), 'probabilities'),
        ],
    )
    def test_invalid_noise(self, options, match):
        with pytest.raises(ValueError, match=match):
            SensorNoise(**options)


class TestBodies:
    @pytest.mark.parametrize('body', [MSR_BODY, NTU_BODY])
    def test_tables(self, body):
        assert body.bones.shape == (body.num_joints - 1, 2)
        reached = {int(np.flatnonzero(body.parents < 0)[0])}
        for parent, joint in body.bones:
            assert parent in reached
            reached.add(int(joint))
        assert reached == set(range(body.num_joints))
        assert set(body.parts) == set(range(1, len(PART_NAMES)))

    def test_msr_order_is_the_published_one(self):
        # One-based bones of the data set's description.
        bones = (
            '20-3 3-1 1-8 8-10 10-12 3-2 2-9 9-11 11-13 3-4 4-7 7-5 5-14 14-16 16-18 7-6 6-15 '
            '15-17 17-19'
        )
        expected = {frozenset(int(i) - 1 for i in bone.split('-')) for bone in bones.split()}
        assert {frozenset(bone.tolist()) for bone in MSR_BODY.bones} == expected

    def test_scaled(self):
        np.testing.assert_allclose(MSR_BODY.scaled(1.5).radii, 1.5 * MSR_BODY.radii)

    def test_invalid(self):
        with pytest.raises(ValueError, match='radii'):
            make_body([[0, 0]], [-1], [1])
        with pytest.raises(ValueError, match='parts'):
            make_body([[0, 0]], [1], [99])
