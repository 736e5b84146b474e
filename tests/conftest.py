"""Fixtures of the whole suite."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mmpointvideo.ops import use_backend
from mmpointvideo.testing.pretend_device import pretend_device

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / 'shared'


def pytest_addoption(parser: pytest.Parser) -> None:
    """Long modes of the tests."""
    parser.addoption(
        '--fuzz-examples', type=int, default=20, help='damaged files per format (tests/test_fuzz)'
    )
    parser.addoption(
        '--memory-iterations', type=int, default=60, help='of the run in test_memory.py'
    )


@pytest.fixture(scope='session')
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder of reference data beside the checkout; a plain clone has none."""
    if not SHARED.is_dir():
        pytest.skip(f'{SHARED} is not there: reference data lie outside the project')
    return SHARED


@pytest.fixture(scope='session')
def golden() -> Callable[[str, str], dict[str, np.ndarray]]:
    """``golden('point_ops', 'person')``: the golden arrays of one case, by name."""

    def load(file: str, case: str) -> dict[str, np.ndarray]:
        with np.load(ROOT / 'tests' / 'data' / f'{file}.npz', allow_pickle=False) as data:
            return {k[len(case) + 1 :]: data[k] for k in data.files if k.startswith(f'{case}/')}

    return load


@pytest.fixture
def device() -> Iterator[torch.device]:
    """A device ``cuda:0`` that is not there, see ``pretend_device``; operators run in PyTorch."""
    if torch.cuda.is_available():
        pytest.skip('a GPU is here: nothing to pretend')
    with use_backend('torch'), pretend_device() as device:
        yield device


@pytest.fixture(autouse=True)
def _seed() -> None:
    np.random.seed(0)
    torch.manual_seed(0)
