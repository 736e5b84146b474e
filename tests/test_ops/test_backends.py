"""Choice of the backend, and numba among threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from mmpointvideo import ops
from mmpointvideo.ops.backends import BACKENDS, Backend, BackendUnavailable

needs_numba = pytest.mark.skipif(
    'numba' not in ops.available_backends(), reason='numba is not installed'
)


def test_torch_is_always_there_and_last():
    assert ops.available_backends()[-1] == 'torch'


def test_forcing_is_undone_after_the_block():
    with ops.use_backend('torch'):
        assert ops.get_backend() == 'torch'
        with ops.use_backend('auto'):
            assert ops.get_backend() is None
        assert ops.get_backend() == 'torch'
    assert ops.get_backend() is None


def test_forcing_is_undone_after_an_error():
    with pytest.raises(RuntimeError), ops.use_backend('torch'):
        raise RuntimeError
    assert ops.get_backend() is None


def test_unknown_and_unusable_backends_are_refused():
    with pytest.raises(ValueError, match='expected a backend out of'):
        ops.set_backend('open3d')
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match='no CUDA device is here'):
            ops.set_backend('pointnet2_ops')
    assert ops.get_backend() is None


def test_a_forced_backend_never_takes_a_silent_detour(monkeypatch):
    def operator(*args):
        raise AssertionError('not to be called')

    backend = Backend(
        'half', lambda: {'ball_query': operator}, device_type='cpu', dtypes=(torch.float16,)
    )
    monkeypatch.setitem(BACKENDS, 'half', backend)
    xyz = torch.rand(1, 4, 3)
    with ops.use_backend('half'):
        with pytest.raises(ValueError, match="'half' takes torch.float16 tensors on cpu"):
            ops.ball_query(xyz, xyz, 1.0, 1)
        ops.furthest_point_sample(xyz, 2)  # not offered: PyTorch


def test_automatic_choice_skips_what_cannot_be_loaded(monkeypatch):
    def load():
        raise BackendUnavailable('broken')

    monkeypatch.setitem(BACKENDS, 'numba', Backend('numba', load, device_type='cpu'))
    assert 'numba' not in ops.available_backends()
    xyz = torch.rand(1, 4, 3)
    assert ops.ball_query(xyz, xyz, 9.0, 1).eq(0).all()


@needs_numba
def test_numba_uses_as_many_threads_as_torch_and_one_for_little_work():
    import numba

    before = torch.get_num_threads()
    most = min(2, numba.config.NUMBA_NUM_THREADS)
    small, large = torch.rand(1, 16, 3), torch.rand(4, 512, 3)
    try:
        for threads, xyz, expected in ((1, large, 1), (2, large, most), (2, small, 1)):
            torch.set_num_threads(threads)
            ops.ball_query(xyz, xyz, 0.5, 4)
            assert numba.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


_THREADS = """
import threading
import torch
from mmpointvideo import ops

xyz = torch.rand(6, 64, 3)
idx = ops.ball_query(xyz, xyz[:, :32].contiguous(), 0.5, 5)[:, None]
frames = torch.arange(6)[:, None]
weight = torch.randn(512, 3)
features = torch.randn(6, 64, 512)  # large enough for two threads a call

def step():
    g = features.clone().requires_grad_()
    out = ops.aggregate_displaced(g, weight, xyz, xyz[:, :32].contiguous(), idx, frames)
    out.square().sum().backward()
    return g.grad

expected = step()
failures = []

def many():
    for _ in range(15):
        if not torch.equal(step(), expected):
            failures.append(1)

threads = [threading.Thread(target=many) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
import numba
assert numba.threading_layer() == 'workqueue', numba.threading_layer()
assert not failures
print('fine')
"""


@needs_numba
def test_several_python_threads_on_the_layer_that_is_not_thread_safe():
    environment = dict(os.environ, NUMBA_THREADING_LAYER='workqueue', NUMBA_NUM_THREADS='2')
    done = subprocess.run(
        [sys.executable, '-c', _THREADS],
        env=environment,
        capture_output=True,
        text=True,
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    )
    assert done.returncode == 0 and 'fine' in done.stdout, done.stderr[-2000:]


FORKED = """
import os
import torch
from mmpointvideo.ops import available_backends, furthest_point_sample, set_backend, use_backend
assert 'numba' in available_backends()
set_backend(FORCED)
xyz = torch.randn(4, 256, 3)
with use_backend('torch'):
    expected = furthest_point_sample(xyz, 32)
assert torch.equal(furthest_point_sample(xyz, 32), expected)
if (child := os.fork()) == 0:
    right = torch.equal(furthest_point_sample(xyz, 32), expected)
    os._exit(0 if right and 'numba' not in available_backends() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork on this system')
@pytest.mark.parametrize(('layer', 'forced'), [('workqueue', None), ('default', 'numba')])
def test_a_forked_child_does_not_use_dead_threads(layer, forced):
    pytest.importorskip('numba')
    done = subprocess.run(
        [sys.executable, '-c', FORKED.replace('FORCED', repr(forced))],
        env={**os.environ, 'NUMBA_THREADING_LAYER': layer, 'NUMBA_NUM_THREADS': '2'},
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
