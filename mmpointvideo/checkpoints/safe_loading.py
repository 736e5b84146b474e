"""Checkpoints are read as data and never run as code.

MMEngine's checkpoints hold a few Python objects besides tensors (the log history, NumPy scalars,
dtypes). Importing this module makes every scheme of MMEngine's ``CheckpointLoader`` admit those
and nothing else, so ``resume``, ``load_from``, ``Pretrained`` initialisers and inference are all
covered. ``mmpointvideo/__init__.py`` imports it.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dist import barrier, get_dist_info
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner.checkpoint import CheckpointLoader

_FORCE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_METHODS = frozenset(
    [(HistoryBuffer, name) for name in ('min', 'max', 'mean', 'current')]
    + [(OneCycleParamScheduler, name) for name in ('_annealing_cos', '_annealing_linear')]
)


def _getattr_of_known_methods(obj: Any, name: str) -> Any:
    """Stand-in for ``builtins.getattr``: a log history names its statistics through it."""
    if isinstance(obj, type) and (obj, name) in _METHODS:
        return getattr(obj, name)
    raise pickle.UnpicklingError(f'a checkpoint asks for getattr({obj!r}, {name!r})')


def _admitted() -> list:
    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    admitted: list = [HistoryBuffer, OneCycleParamScheduler, ConfigDict, np.ndarray, np.dtype]
    admitted.append((_getattr_of_known_methods, 'builtins.getattr'))
    for package in ('numpy._core', 'numpy.core'):  # NumPy 2 and NumPy 1 name them differently
        admitted.append((multiarray._reconstruct, f'{package}.multiarray._reconstruct'))
        admitted.append((multiarray.scalar, f'{package}.multiarray.scalar'))
    dtypes = {type(np.dtype(code)) for code in '?bBhHiIlLqQefdSU'}
    return admitted + sorted(dtypes, key=lambda dtype: dtype.__name__)


@contextmanager
def weights_only() -> Iterator[None]:
    """Within it ``torch.load`` admits tensors, plain Python data and MMEngine's own objects.

    This holds even for callers that pass ``weights_only=False``.
    """
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = '1'
    try:
        with torch.serialization.safe_globals(_admitted()):
            yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


@contextmanager
def _clear_refusal(source: str) -> Iterator[None]:
    """Name the file, and replace torch's advice to load it unsafely."""
    try:
        yield
    except (ImportError, MemoryError):
        raise  # not the file's fault
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # nor is this; EINVAL: a place that would be outside of the file
        text = str(error)
        if isinstance(error, RuntimeError) and 'deserialize object on' in text:
            raise  # weights of a GPU, which is not there
        found = re.search(r'.*(?:GLOBAL|getattr|PytorchStreamReader).*?(?=\. |\n|$)', text)
        reason = found[0].strip() if found else f'{type(error).__name__}: {text[:200]}'
        raise pickle.UnpicklingError(
            f'{source}: refused, a checkpoint may hold weights and the state of a run only, and '
            f'this one is damaged or wants to run code ({reason})'
        ) from error


def _without_config(checkpoint: Any) -> Any:
    """Drop ``meta['config']``: resuming would run that text as Python. ``meta['cfg']`` stays."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    return checkpoint


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Load a checkpoint from this machine.

    Args:
        filename: Path of the file; ``~`` is the home folder.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: If there is no such file.
        pickle.UnpicklingError: If the file holds anything but weights and a run's state.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist (looked from {Path.cwd()})')
    # the older of torch's two formats is a stream of pickles: from memory, no claimed length makes
    # the reader allocate more than there is
    with open(path, 'rb') as file:
        first = file.read(2)
    if not first:
        raise pickle.UnpicklingError(f'{path}: refused, damaged: the file is empty')
    source = path if first == b'PK' else io.BytesIO(path.read_bytes())
    with _clear_refusal(str(path)), weights_only():
        return _without_config(torch.load(source, map_location, weights_only=True))


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location: Any = None, **kwargs: Any) -> Any:
    """Download a checkpoint (into torch's cache) and load it; rank 0 downloads first.

    Args:
        filename: Address of the file.
        map_location: As in :func:`torch.load`.
        **kwargs: For :func:`torch.hub.load_state_dict_from_url`, such as ``model_dir``.
    """

    def download() -> Any:
        with _clear_refusal(filename), weights_only():
            return torch.hub.load_state_dict_from_url(
                filename, map_location=map_location, weights_only=True, **kwargs
            )

    rank, world_size = get_dist_info()
    checkpoint = download() if rank == 0 else None
    if world_size > 1:
        barrier()
        if rank > 0:
            checkpoint = download()
    return _without_config(checkpoint)


def _guard(loader: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(loader)
    def load(*args: Any, **kwargs: Any) -> Any:
        with _clear_refusal(str(args[0] if args else kwargs)), weights_only():
            return _without_config(loader(*args, **kwargs))

    return load


# model zoos and storage services reach torch.load by ways of their own
for _prefix, _loader in list(CheckpointLoader._schemes.items()):
    if _loader not in (load_from_local, load_from_http):
        CheckpointLoader.register_scheme(_prefix, loader=_guard(_loader), force=True)
