"""The Triton kernels against the reference; run with TRITON_INTERPRET=1 where no GPU is.

Not collected by pytest: Triton decides at import whether it interprets, so
``test_triton.py`` gives this file a process of its own. Where a GPU is,
``python -m tests.test_ops.triton_cases cuda`` runs the compiled kernels.
"""

from __future__ import annotations

import sys

import torch

from mmpointvideo import ops
from mmpointvideo.ops.backends import BACKENDS
from mmpointvideo.ops.backends import triton_backend as backend

DEVICE = sys.argv[1] if len(sys.argv) > 1 else 'cpu'
REFERENCE = BACKENDS['torch'].load()
FOUND = backend.operators()


def clouds(*shape: int, step: float | None = None) -> torch.Tensor:
    xyz = torch.rand(*shape, 3, device=DEVICE) * 2
    return xyz if step is None else (xyz / step).round() * step


def check_sampling() -> None:
    cases = [(clouds(2, 37), 12), (clouds(1, 64, step=0.5), 20), (clouds(2, 1), 1)]
    near = clouds(1, 24)
    near[:, :8] *= 0.01  # |p|^2 <= 1e-3: never chosen after the first
    cases += [(near, 20), (torch.zeros(1, 9, 3, device=DEVICE), 4)]
    for xyz, samples in cases:
        ours = FOUND['furthest_point_sample'](xyz, samples)
        assert torch.equal(ours, REFERENCE['furthest_point_sample'](xyz, samples))
    backend._POINTS_IN_REGISTERS = 16  # coordinates read in every step
    for xyz, samples in cases:
        ours = FOUND['furthest_point_sample'](xyz, samples)
        assert torch.equal(ours, REFERENCE['furthest_point_sample'](xyz, samples))
    large = clouds(1, backend.MOST_POINTS + 1)
    assert FOUND['furthest_point_sample'](large, 2).shape == (1, 2)


def check_ball_query() -> None:
    xyz, centers = clouds(2, 150), clouds(2, 19)
    grid = clouds(1, 70, step=0.25)  # distances of exactly a radius
    empty = clouds(1, 5) + 9
    for points, asked, radius, neighbors in (
        (xyz, centers, 0.3, 5),
        (xyz, centers, 3.0, 9),
        (xyz, centers, 0.05, 3),
        (xyz, xyz[:, :16], 1.0, 200),
        (grid, grid, 0.25, 4),
        (xyz[:1], empty, 0.5, 3),
    ):
        ours = FOUND['ball_query'](points, asked, radius, neighbors)
        assert torch.equal(ours, REFERENCE['ball_query'](points, asked, radius, neighbors))


def check_aggregation() -> None:
    for channels, centers, neighbors in ((12, 6, 5), (130, 17, 3)):
        xyz = clouds(3, 11)
        idx = torch.randint(0, 11, (4, 3, centers, neighbors), device=DEVICE)
        frames = torch.randint(0, 3, (4, 3), device=DEVICE)
        frames[1, 2] = frames[3] = -1
        shared = xyz, clouds(4, centers), idx, frames
        g = torch.randn(3, 11, channels, device=DEVICE)
        weight = torch.randn(channels, 3, device=DEVICE)
        grad = torch.randn(4, centers, 3, channels, device=DEVICE)
        results = []
        for table in (FOUND, REFERENCE):
            given, w = g.clone().requires_grad_(), weight.clone().requires_grad_()
            out = table['multiply_sum'](given, w, *shared)
            out.backward(grad)
            plain = g.clone().requires_grad_()
            summed = table['gather_sum'](plain, idx, frames)
            summed.backward(grad)
            results.append((out, given.grad, w.grad, summed, plain.grad))
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def check_published_ties() -> None:
    """The permutation for the published order works on top of any backend."""
    xyz = clouds(1, 90, step=0.5)
    expected = ops.furthest_point_sample(xyz, 20, tie_order='published')
    order = torch.tensor(ops.sampling.published_order(90), device=DEVICE)
    assert torch.equal(order[FOUND['furthest_point_sample'](xyz[:, order], 20)], expected)


if __name__ == '__main__':
    torch.manual_seed(0)
    check_sampling()
    check_ball_query()
    check_aggregation()
    check_published_ties()
    print('triton kernels agree')
