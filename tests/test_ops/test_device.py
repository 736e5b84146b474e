"""The operators in PyTorch on a device: what they compute, and tensors of two devices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmpointvideo import ops
from mmpointvideo.ops.backends.torch_backend import OPERATORS
from mmpointvideo.ops.tube_rows import gather_counts

#: results and, where there are gradients, those of the first arguments
Call = Callable[..., Tensor | tuple[Tensor, ...]]


def clouds(batch: int = 2, points: int = 40) -> Tensor:
    return torch.rand(batch, points, 3) + 0.2


def tubes() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """xyz, centres, neighbours and frames of 2 clips of 3 frames, windows of 3, one copy padded."""
    xyz, centers = torch.rand(2, 3, 12, 3), torch.rand(2, 3, 5, 3)
    idx = torch.randint(0, 12, (6, 3, 5, 4))
    idx[..., 2:] = idx[..., :1]
    frames = torch.tensor([[0, 0, 1], [0, 1, 2], [1, 2, 2]])
    return xyz, centers, idx, frames


def aggregate(aggregation: str, pooling: str, with_features: bool = True) -> Call:
    def call(g, weight, xyz, centers, idx, frames):
        if aggregation == 'multiplication' and with_features:
            frames = frames.clone()
            frames[0, 1] = -1
        features = g if with_features else None
        return ops.aggregate_displaced(
            features, weight, xyz, centers, idx, frames, aggregation, pooling
        )

    return call


def over_rows(name: str, dense_from: float, statistics: str = 'frame') -> Call:
    """A layer over the rows of tubes, behind ``combine_rows``."""

    def call(features, weight, bias, displacement_map, xyz, centers, idx, frames):
        rows = ops.tube_rows(xyz, centers, idx, frames, dense_from)
        pairs = displacement_map.shape[0]
        scale, shift = weight.expand(pairs, -1), bias.expand(pairs, -1)
        x = OPERATORS['combine_rows'](
            features, scale, shift, displacement_map, shift, rows, name != 'normalize_max', True
        )
        mean, var = OPERATORS['row_moments'](x.detach(), rows)
        if statistics == 'joint':
            mean, var = mean.mean(0, keepdim=True), var.mean(0, keepdim=True)
        out = OPERATORS[name](x, weight, bias, mean, (var + 1e-3).rsqrt(), rows, statistics, True)
        return out, mean, var, gather_counts(rows, xyz.shape[2])

    return call


def lay_out(xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor) -> tuple[Tensor, ...]:
    rows = ops.tube_rows(xyz, centers, idx, frames)
    assert rows.weight is not None
    return rows.source, rows.displacement, rows.weight, rows.offsets, rows.anchor_of_rows()


def normalize(statistics: str, taps: bool) -> Call:
    def call(x, weight, bias, slots, rows):
        mean, var = OPERATORS['frame_moments'](x.detach())
        inverse_std = (var + 1e-3).rsqrt()
        if taps:
            mean, inverse_std = mean[slots].flatten(1), inverse_std[slots].flatten(1)
            weight, bias = weight.repeat(2), bias.repeat(2)
        extra = (slots, rows) if taps else (None, None)
        return OPERATORS['normalize_relu'](x, weight, bias, mean, inverse_std, statistics, *extra)

    return call


def row_arguments() -> list[Tensor]:
    return [torch.randn(72, 6), torch.rand(6), torch.randn(6), torch.randn(9, 3, 6), *tubes()]


def tube_arguments() -> list[Tensor]:
    xyz, centers, idx, frames = tubes()
    frames = torch.cat([frames, frames + 3])
    return [
        torch.randn(6, 12, 5),
        torch.randn(5, 3),
        xyz.flatten(0, 1),
        centers.flatten(0, 1),
        idx,
        frames,
    ]


def norm_arguments() -> list[Tensor]:
    slots = torch.tensor([[0, 1], [1, 2], [2, 0]])
    rows = torch.randint(0, 7, (2, 3, 4))
    return [torch.randn(2, 3, 7, 5), torch.rand(5), torch.randn(5), slots, rows]


def interpolation_arguments() -> list[Tensor]:
    return [torch.randn(2, 5, 40), torch.randint(0, 40, (2, 9, 3)), torch.rand(2, 9, 3)]


#: call, arguments, how many of them get gradients
CASES: dict[str, tuple[Call, Callable[[], list[Tensor]], int]] = {
    'furthest_point_sample': (
        lambda xyz: ops.furthest_point_sample(xyz, 9),
        lambda: [clouds()],
        0,
    ),
    'furthest_point_sample, published ties': (
        lambda xyz: ops.furthest_point_sample(xyz, 9, 'published'),
        lambda: [(clouds() * 4).round() / 4],
        0,
    ),
    'ball_query': (
        lambda xyz, centers: ops.ball_query(xyz, centers, 0.3, 6),
        lambda: [clouds(), clouds(points=7)],
        0,
    ),
    'ball_query, large': (
        lambda xyz, centers: ops.ball_query(xyz, centers, 0.1, 6),
        lambda: [clouds(points=1200), clouds(points=7)],
        0,
    ),
    'gather_points': (
        ops.gather_points,
        lambda: [torch.randn(2, 5, 40), torch.randint(0, 40, (2, 9))],
        1,
    ),
    'group_points': (
        ops.group_points,
        lambda: [torch.randn(2, 5, 40), torch.randint(0, 40, (2, 9, 4))],
        1,
    ),
    'three_nn': (ops.three_nn, lambda: [clouds(), clouds(points=7)], 0),
    'three_nn, two sources': (ops.three_nn, lambda: [clouds(), clouds(points=2)], 0),
    'three_interpolate': (ops.three_interpolate, interpolation_arguments, 1),
    'tube_rows': (lay_out, lambda: list(tubes()), 0),
    **{
        f'aggregate_displaced, {kind}, {pooling}, {with_features}': (
            aggregate(kind, pooling, with_features),
            tube_arguments,
            2,
        )
        for kind in ('multiplication', 'addition')
        for pooling in ('sum', 'max', 'avg')
        for with_features in (True, False)
    },
    **{
        f'normalize_relu, {statistics}, {taps}': (
            normalize(statistics, taps),
            norm_arguments,
            3,
        )
        for statistics in ('frame', 'joint', 'fixed')
        for taps in (False, True)
    },
    **{
        f'{name}, {statistics}, {dense_from}': (
            over_rows(name, dense_from, statistics),
            row_arguments,
            4,
        )
        for name in ('normalize_rows', 'normalize_max')
        for statistics in ('frame', 'joint', 'fixed')
        for dense_from in (0.0, 0.9)
    },
}


@pytest.mark.parametrize('case', CASES)
def test_results_and_gradients_are_those_of_the_cpu(device: torch.device, case: str) -> None:
    call, make, with_gradients = CASES[case]
    arguments = make()
    found: list[list[Tensor]] = []
    for there in (torch.device('cpu'), device):
        given = [argument.to(there, copy=True) for argument in arguments]
        for argument in given[:with_gradients]:
            argument.requires_grad_()
        results = call(*given)
        results = list(results) if isinstance(results, tuple) else [results]
        assert all(result.device == there for result in results)
        if with_gradients:
            weights = torch.linspace(-1, 1, results[0].numel()).view(results[0].shape).to(there)
            (results[0] * weights).sum().backward()
            gradients = [x.grad for x in given[:with_gradients] if x.grad is not None]
            assert gradients and all(gradient.device == there for gradient in gradients)
            results += gradients
        found.append([result.detach().cpu() for result in results])
    assert len(found[0]) == len(found[1])
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected)


def test_every_operator_is_among_the_cases() -> None:
    named = {case.split(',')[0] for case in CASES}
    inside = {'multiply_sum', 'gather_sum', 'pool_max', 'sum_displacements'}  # aggregate_displaced
    inside |= {'frame_moments', 'combine_rows', 'row_moments'}
    assert set(OPERATORS) <= named | inside


#: public operators and their arguments
PUBLIC = {
    'ball_query': CASES['ball_query'],
    'gather_points': CASES['gather_points'],
    'group_points': CASES['group_points'],
    'three_nn': CASES['three_nn'],
    'three_interpolate': CASES['three_interpolate'],
    'tube_rows': CASES['tube_rows'],
    'aggregate_displaced': CASES['aggregate_displaced, multiplication, sum, True'],
}


@pytest.mark.parametrize(
    ('operator', 'position'),
    [(name, i) for name, (_, make, _) in PUBLIC.items() for i in range(len(make()))],
)
def test_tensors_of_two_devices(device: torch.device, operator: str, position: int) -> None:
    """One argument is left on the CPU, or is the only one that is moved."""
    call, make, _ = PUBLIC[operator]
    for inside, outside in ((device, 'cpu'), ('cpu', device)):
        given = [x.to(outside if i == position else inside) for i, x in enumerate(make())]
        with pytest.raises(ValueError, match='expected the same device, got'):
            call(*given)
