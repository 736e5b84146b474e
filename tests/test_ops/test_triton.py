"""The Triton kernels without a GPU: interpreted, and compiled for sm_90."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmpointvideo import ops
from mmpointvideo.ops.backends import BACKENDS, ORDER

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec('triton') is None, reason='triton is not installed'
)
SIZES = dict.fromkeys(
    ('num_points', 'num_samples', 'num_centers', 'num_neighbors', 'num_taps', 'channels'), 'i32'
)
POINTERS = dict(
    xyz='*fp32',
    nearest='*fp32',
    centers='*fp32',
    g='*fp32',
    weight='*fp32',
    grad='*fp32',
    grad_g='*fp32',
    partial='*fp32',
    out='*fp32',
    idx='*i64',
    frames='*i64',
    order='*i64',
    offsets='*i64',
)
TYPES = POINTERS | SIZES | dict(num_rows='i32', squared_radius='fp32')
INDEX_OUT = dict(out='*i64')
# name, constants, changed types, warps: as triton_backend.py launches them
KERNELS = [
    ('furthest_points', dict(BLOCK=1024, RELOAD=False), INDEX_OUT, 4),
    ('furthest_points', dict(BLOCK=16384, RELOAD=True), INDEX_OUT, 16),
    ('first_in_ball', dict(ROWS=8, BLOCK=128), INDEX_OUT, 4),
    *(('sum_neighbors', dict(MULTIPLY=m, ROWS=8, BLOCK=128), {}, 4) for m in (True, False)),
    *(
        ('sum_neighbors_backward', dict(MULTIPLY=m, POINTS=32, BLOCK=128), {}, 4)
        for m in (True, False)
    ),
]


def test_own_kernels_are_the_first_on_cuda():
    assert ORDER[:3] == ('triton', 'pointnet2_ops', 'mmcv')
    assert not BACKENDS['triton'].supports(torch.zeros(1, 1, 3))
    if not torch.cuda.is_available():
        assert 'triton' not in ops.available_backends()
        with pytest.raises(ValueError, match='need a CUDA device'):
            ops.set_backend('triton')


@needs_triton
def test_interpreted_kernels_agree_with_the_reference():
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, '-m', 'tests.test_ops.triton_cases'],
        cwd=root,
        env=os.environ | dict(TRITON_INTERPRET='1', PYTHONPATH=str(root)),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    assert 'triton kernels agree' in run.stdout


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device is here')
def test_compiled_kernels_agree_with_the_reference():
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, '-m', 'tests.test_ops.triton_cases', 'cuda'], cwd=root, check=True
    )


@needs_triton
@pytest.mark.parametrize(('name', 'constants', 'changed', 'num_warps'), KERNELS)
def test_compiles_for_sm_90_without_a_gpu(
    name, constants, changed, num_warps, tmp_path, monkeypatch
):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from mmpointvideo.ops.backends import triton_kernels

    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    kernel = getattr(triton_kernels, name)
    types = TYPES | changed | dict.fromkeys(constants, 'constexpr')
    source = ASTSource(
        fn=kernel,
        signature={argument: types[argument] for argument in kernel.arg_names},
        constexprs=constants,
    )
    compiled = triton.compile(
        source, target=GPUTarget('cuda', 90, 32), options=dict(num_warps=num_warps)
    )
    assert '.target sm_90' in compiled.asm['ptx']
    assert len(compiled.asm['cubin']) > 0
    if name in ('furthest_points', 'first_in_ball'):
        assert 'fma.rn.f32' in compiled.asm['ptx']
