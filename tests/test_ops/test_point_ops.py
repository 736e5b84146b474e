"""The point operators on every CPU backend: golden values, brute force, ties, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmpointvideo import ops
from tests.reference import point_ops as literal

BACKENDS = [name for name in ops.available_backends() if name in ('torch', 'numba')]
CASES = [
    'person',
    'ties_on_a_grid',
    'repeated_points',
    'near_origin',
    'not_a_power_of_two',
    'all_at_origin',
]


@pytest.fixture(params=BACKENDS)
def backend(request):
    with ops.use_backend(request.param):
        yield request.param


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(value)) for name, value in arrays.items()}


def gather_xyz(xyz: torch.Tensor, idx: torch.Tensor) -> torch.Tensor:
    return xyz.gather(1, idx[..., None].expand(-1, -1, 3))


def assert_valid_choice(xyz: torch.Tensor, idx: torch.Tensor) -> None:
    """Every choice is one of the furthest points, whichever of the tied."""
    clouds, choices = xyz.double(), idx
    for cloud, chosen in zip(clouds, choices, strict=True):
        assert int(chosen[0]) == 0
        allowed = cloud.square().sum(1) > 1e-3
        if not allowed.any():
            assert (chosen == 0).all()
            continue
        nearest = torch.full((len(cloud),), 1e10, dtype=torch.float64)
        for before, point in zip(chosen[:-1], chosen[1:], strict=True):
            nearest = torch.minimum(nearest, (cloud - cloud[before]).square().sum(1))
            assert allowed[point]
            furthest = nearest[allowed].max()
            assert nearest[point] >= furthest * (1 - 1e-5)


def grid_clouds(rng: np.random.Generator, batch: int, points: int, step: float) -> np.ndarray:
    """Coordinates on a binary grid, where float32 distances are exact and ties abound."""
    return (rng.integers(-6, 7, (batch, points, 3)) * step).astype(np.float32)


@pytest.mark.parametrize('case', CASES)
def test_golden_values(backend, golden, case):
    data = tensors(golden('point_ops', case))
    xyz, radius = data['xyz'], float(data['ball_radius'])
    num_samples, num_neighbors = data['fps_idx'].shape[1], data['ball_idx'].shape[2]
    published = ops.furthest_point_sample(xyz, num_samples, tie_order='published')
    assert torch.equal(published, data['fps_idx'])
    assert published.dtype == torch.int64
    assert_valid_choice(xyz, ops.furthest_point_sample(xyz, num_samples))

    centers = gather_xyz(xyz, data['fps_idx'])
    assert torch.equal(ops.ball_query(xyz, centers, radius, num_neighbors), data['ball_idx'])
    far = ops.ball_query(xyz, centers + 5, radius, num_neighbors)
    assert torch.equal(far, data['ball_idx_of_far_centers'])

    distance, idx = ops.three_nn(xyz, centers)
    torch.testing.assert_close(distance, data['three_nn_dist'], rtol=1e-6, atol=1e-6)
    assert torch.equal(idx, data['three_nn_idx'])
    out = ops.three_interpolate(data['interp_features'], idx, data['interp_weight'])
    torch.testing.assert_close(out, data['interp_out'], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('seed', range(4))
def test_brute_force_on_grids(backend, seed):
    rng = np.random.default_rng(seed)
    points, samples = int(rng.integers(2, 70)), int(rng.integers(1, 40))
    xyz = grid_clouds(rng, 2, points, 0.125)
    samples = min(samples, points)
    centers = grid_clouds(rng, 2, samples, 0.25)
    given, asked = torch.from_numpy(xyz), torch.from_numpy(centers)

    found = ops.furthest_point_sample(given, samples)
    assert np.array_equal(found, literal.furthest_point_sample(xyz, samples))
    found = ops.furthest_point_sample(given, samples, tie_order='published')
    threads = [literal.furthest_point_sample_in_threads(cloud, samples) for cloud in xyz]
    assert found.tolist() == threads
    for radius, neighbors in ((0.5, 4), (0.25, 1), (3.0, points + 3)):  # 0.25, 0.5: boundary hits
        found = ops.ball_query(given, asked, radius, neighbors)
        assert np.array_equal(found, literal.ball_query(xyz, centers, radius, neighbors))
    distance, idx = ops.three_nn(asked, given)
    expected_distance, expected_idx = literal.three_nn(centers, xyz)
    assert np.array_equal(idx, expected_idx)
    np.testing.assert_allclose(distance, expected_distance, rtol=1e-6)


def test_large_clouds_agree_between_backends():
    """Many blocks of the progressive scan, sparse and dense, and many chunks."""
    xyz = torch.rand(2, 1500, 3) * 4
    reference = None
    for name in BACKENDS:
        with ops.use_backend(name):
            idx = ops.furthest_point_sample(xyz, 300)
            centers = gather_xyz(xyz, idx)
            found = [idx, *(ops.ball_query(xyz, centers, r, 9) for r in (0.05, 0.3, 2.0))]
            found += [ops.three_nn(xyz, centers)[1]]
        reference = reference or found
        assert all(torch.equal(a, b) for a, b in zip(found, reference, strict=True))


@pytest.mark.skipif('numba' not in BACKENDS, reason='numba is not installed')
@pytest.mark.parametrize('grid', [True, False])
def test_both_algorithms_of_the_ball_query_agree_with_brute_force(monkeypatch, grid):
    from mmpointvideo.ops.backends import hit_rate

    monkeypatch.setattr(hit_rate, 'prefers_grid', lambda *args: grid)
    rng = np.random.default_rng(1)
    flat = rng.random((2, 60, 3)).astype(np.float32) * 8
    flat[0, :, 1] = 3.0  # a plane
    flat[1, :, :2] = -2.0  # a line
    cases = [
        (grid_clouds(rng, 2, 70, 0.125), grid_clouds(rng, 2, 20, 0.25)),  # hits on the boundary
        (flat, flat[:, ::7].copy()),
        (flat, flat[:, ::7] + np.float32(1e6)),  # far outside
        (np.zeros((1, 5, 3), np.float32), np.zeros((1, 2, 3), np.float32)),
        (flat.astype(np.float64), flat[:, :4].astype(np.float64)),
    ]
    with ops.use_backend('numba'):
        for xyz, centers in cases:
            for radius, neighbors in ((0.25, 3), (0.5, 70), (1e-3, 2), (50.0, 4)):
                found = ops.ball_query(
                    torch.from_numpy(xyz), torch.from_numpy(centers), radius, neighbors
                )
                if xyz.dtype == np.float32:
                    expected = literal.ball_query(xyz, centers, radius, neighbors)
                else:
                    with ops.use_backend('torch'):
                        expected = ops.ball_query(
                            torch.from_numpy(xyz), torch.from_numpy(centers), radius, neighbors
                        ).numpy()
                assert np.array_equal(found, expected)


def test_the_ball_query_follows_the_density():
    from mmpointvideo.ops.backends.hit_rate import hit_rate, prefers_grid

    cloud = torch.rand(2, 4096, 3)
    assert hit_rate(cloud, cloud, 10.0) == 1
    assert hit_rate(cloud, cloud + 50, 0.5) == 0
    assert not prefers_grid(cloud, cloud[:, :1024], 0.5, 9)  # full after some ten points
    assert prefers_grid(cloud * 50, cloud[:, :1024] * 50, 0.9, 32)  # nearly empty balls
    assert not prefers_grid(cloud[:, :512] * 50, cloud[:, :64] * 50, 0.9, 32)  # little to do


def test_published_order_matches_the_kernel_for_more_points_than_threads():
    cloud = grid_clouds(np.random.default_rng(5), 1, 700, 0.25)
    found = ops.furthest_point_sample(torch.from_numpy(cloud), 20, tie_order='published')
    assert found[0].tolist() == literal.furthest_point_sample_in_threads(cloud[0], 20)


def test_few_source_points(backend):
    target, source = torch.rand(1, 4, 3), torch.rand(1, 2, 3)
    distance, idx = ops.three_nn(target, source)
    assert torch.isinf(distance[..., 2]).all() and (idx[..., 2] == 0).all()
    assert torch.isfinite(distance[..., :2]).all()


def test_float64_and_strided_input(backend):
    xyz = torch.rand(2, 3, 50, dtype=torch.float64).transpose(1, 2)
    idx = ops.furthest_point_sample(xyz, 10)
    assert torch.equal(idx, ops.furthest_point_sample(xyz.contiguous(), 10))
    found = ops.ball_query(xyz, gather_xyz(xyz, idx), 0.4, 5)
    assert np.array_equal(
        found, literal.ball_query(xyz.numpy(), gather_xyz(xyz, idx).numpy(), 0.4, 5)
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_narrow_types(dtype):
    """On a grid that the type holds exactly the points are those of float32."""
    grid = torch.cartesian_prod(*[torch.arange(1, 4) / 4] * 3)
    xyz = torch.stack([grid, grid.flip(0)])
    idx = ops.furthest_point_sample(xyz.to(dtype), 5)
    assert torch.equal(idx, ops.furthest_point_sample(xyz, 5))
    wanted = ops.ball_query(xyz, xyz[:, :4].contiguous(), 0.3, 4)
    assert torch.equal(ops.ball_query(*(x.to(dtype) for x in (xyz, xyz[:, :4])), 0.3, 4), wanted)


@pytest.mark.parametrize('kind', [np.int64, torch.tensor])
def test_integers_of_other_libraries(backend, kind):
    xyz = torch.rand(2, 20, 3)
    assert torch.equal(ops.furthest_point_sample(xyz, kind(4)), ops.furthest_point_sample(xyz, 4))
    assert torch.equal(ops.ball_query(xyz, xyz, 0.3, kind(4)), ops.ball_query(xyz, xyz, 0.3, 4))


def test_gather_group_interpolate_and_their_gradients(backend):
    features = torch.randn(2, 3, 7, dtype=torch.float64, requires_grad=True)
    idx = torch.randint(0, 7, (2, 5, 3))
    gathered = ops.gather_points(features, idx[..., 0])
    grouped = ops.group_points(features, idx)
    weight = torch.rand(2, 5, 3, dtype=torch.float64)
    interpolated = ops.three_interpolate(features, idx, weight)
    for b, c, m in np.ndindex(2, 3, 5):
        assert gathered[b, c, m] == features[b, c, idx[b, m, 0]]
        assert torch.equal(grouped[b, c, m], features[b, c, idx[b, m]])
        expected = (features[b, c, idx[b, m]] * weight[b, m]).sum()
        torch.testing.assert_close(interpolated[b, c, m], expected)
    assert torch.autograd.gradcheck(lambda f: ops.gather_points(f, idx[..., 0]), features)
    assert torch.autograd.gradcheck(lambda f: ops.group_points(f, idx), features)
    assert torch.autograd.gradcheck(lambda f: ops.three_interpolate(f, idx, weight), features)
    weight.requires_grad_()
    ops.three_interpolate(features, idx, weight).sum().backward()
    assert weight.grad is None  # as in the published operator


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda x: ops.furthest_point_sample(x, 9), 'num_points: expected between 1 and 8, got 9'),
        (lambda x: ops.furthest_point_sample(x, 0), 'num_points'),
        (lambda x: ops.furthest_point_sample(x[0], 2), r'shape \(B, N, 3\)'),
        (lambda x: ops.furthest_point_sample(x[..., :2], 2), r'shape \(B, N, 3\)'),
        (lambda x: ops.furthest_point_sample(x[:, :0], 1), 'at least one point'),
        (lambda x: ops.furthest_point_sample(x, 2, tie_order='first'), 'tie_order'),
        (lambda x: ops.ball_query(x, x[:1], 0.5, 3), 'same batch size'),
        (lambda x: ops.ball_query(x, x, 0.0, 3), 'radius: expected a positive number'),
        (lambda x: ops.ball_query(x, x, 0.5, 0), 'num_neighbors'),
        (lambda x: ops.gather_points(x, torch.full((2, 1), 3)), r'indices in \[0, 3\)'),
        (lambda x: ops.gather_points(x, torch.full((2, 1), -1)), r'indices in \[0, 3\)'),
        (lambda x: ops.group_points(x, torch.zeros(2, 1).long()), '3 dimensions'),
        (
            lambda x: ops.three_interpolate(x, torch.zeros(2, 4, 3).long(), torch.zeros(2, 4, 2)),
            'idx and weight',
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.rand(2, 8, 3))


def test_wrong_types_are_named():
    xyz = torch.rand(2, 8, 3)
    with pytest.raises(TypeError, match='floating-point'):
        ops.furthest_point_sample(xyz.long(), 2)
    with pytest.raises(TypeError, match='same type'):
        ops.ball_query(xyz, xyz.double(), 0.5, 2)
    with pytest.raises(TypeError, match='indices'):
        ops.gather_points(xyz, torch.zeros(2, 1))


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_non_finite_coordinates_are_an_error(backend, value):
    xyz = torch.rand(3, 8, 3)
    bad = xyz.clone()
    bad[1, 4, 2] = value
    for call in (
        lambda: ops.furthest_point_sample(bad, 2),
        lambda: ops.ball_query(bad, xyz, 0.5, 2),
        lambda: ops.ball_query(xyz, bad, 0.5, 2),
        lambda: ops.three_nn(xyz, bad),
    ):
        with pytest.raises(ValueError, match='NaN or infinite, first in cloud 1'):
            call()


@pytest.mark.parametrize('backend', BACKENDS)
def test_an_empty_batch(backend):
    with ops.use_backend(backend):
        distance, idx = ops.three_nn(torch.rand(0, 4, 3), torch.rand(0, 5, 3))
    assert distance.shape == idx.shape == (0, 4, 3)
