"""Options of the command line: numbers, files, devices, ``KEY=VALUE`` pairs; its errors."""

from __future__ import annotations

import difflib
import inspect
import math
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.config.utils import ConfigParsingError
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

_MAX_LENGTH = 10_000
#: what a run takes from a config, there or not: arguments of MMEngine's runner and what it reads
_OF_A_RUN = (set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}) | {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
}


class OverrideAction(DictAction):
    """MMEngine's ``DictAction``, which says what is wrong with an option instead of failing."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Parse ``KEY=VALUE`` pairs.

        Args:
            parser: The command line's parser; a wrong pair ends it with status 2.
            namespace: Where the result goes.
            values: The pairs.
            option_string: Name of the option.
        """
        for value in values or ():
            key, equals, content = str(value).partition('=')
            if not equals or not key.strip('.') or '..' in key or key[0] == '.' or key[-1] == '.':
                parser.error(f'{option_string}: expected KEY=VALUE, got {value[:80]!r}')
            if len(content) > _MAX_LENGTH:
                parser.error(f'{option_string}: the value of {key} has {len(content)} characters')
        try:
            super().__call__(parser, namespace, values, option_string or '')
        except (AssertionError, ValueError, RecursionError) as error:
            parser.error(f'{option_string}: cannot read {str(values)[:200]}: {str(error)[:200]}')


def add_cfg_options(parser: ArgumentParser) -> None:
    """Give a command line the option ``--cfg-options``, for :func:`load_config`."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OverrideAction,
        help='KEY=VALUE pairs that are merged into the config, such as '
        'train_dataloader.batch_size=8 or randomness.seed=1',
    )


def positive_int(text: str) -> int:
    """Type of an option that is an integer of at least 1."""
    return int(_number(text, int, 'an integer of at least 1', lambda value: value >= 1))


def non_negative_int(text: str) -> int:
    """Type of an option that is an integer of at least 0, such as a seed."""
    return int(_number(text, int, 'an integer of at least 0', lambda value: value >= 0))


def positive_float(text: str) -> float:
    """Type of an option that is a finite number above 0."""
    return _number(text, float, 'a number above 0', lambda value: value > 0)


def non_negative_float(text: str) -> float:
    """Type of an option that is a finite number of at least 0."""
    return _number(text, float, 'a number of at least 0', lambda value: value >= 0)


def _number(
    text: str, kind: type[int] | type[float], what: str, fits: Callable[[float], bool]
) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not fits(value):
        raise ArgumentTypeError(f'expected {what}, got {text!r}')
    return value


def device_name(text: str) -> str:
    """Type of an option that names a device of PyTorch: one that is there."""
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:  # as PyTorch says that it has no CUDA
        reason = str(error).splitlines()[0][:200]
        raise ArgumentTypeError(
            f"expected a device that is there, such as 'cpu', got {text!r}: {reason}"
        ) from None
    return text


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End a command with one line and exit status 1 where a file or a setting is wrong.

    Other errors, and what happens outside the block, keep their traceback: put the reading of
    files and options into it, and leave the training out.

    Raises:
        SystemExit: With status 1, in place of an ``OSError``, a ``ValueError``, the
            ``UnpicklingError`` of a file that is no checkpoint, or an ``ImportError`` that says
            what to install; with status 130, in place of a ``KeyboardInterrupt``.

    Examples:
        >>> with one_line_errors():  # doctest: +SKIP
        ...     sys.exit(main())
    """
    try:
        yield
    except (OSError, ValueError, UnpicklingError, ImportError) as error:
        # Python's own ImportError names the module, and is a defect
        if isinstance(error, ImportError) and error.name is not None:
            raise
        line = ' '.join(part.strip() for part in str(error).splitlines())
        print(f'error: {line}', file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print('interrupted: start the same command again to go on', file=sys.stderr)
        raise SystemExit(130) from None


def output_file(text: str) -> str:
    """Type of an option that names a file to write: refused before the work, not after it."""
    try:
        parent = os.path.dirname(os.path.abspath(text))
        os.makedirs(parent, exist_ok=True)
    except OSError as error:
        raise ArgumentTypeError(f'cannot write {text!r}: {error}') from None
    if os.path.isdir(text) or not os.access(parent, os.W_OK):
        raise ArgumentTypeError(f'expected a file that can be written, got {text!r}')
    return text


def load_config(
    path: str | os.PathLike, options: dict[str, Any] | None = None, needs: Sequence[str] = ()
) -> Config:
    """Read a config file and merge options of the command line into it.

    Args:
        path: The file.
        options: By key, as :class:`OverrideAction` gives them.
        needs: Keys that the caller cannot do without, such as ``'model'``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no config, a module of its ``custom_imports`` cannot be imported, an
            option does not fit it, or it lacks a key.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'expected a config file, got {os.fspath(path)!r}, which is none')
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except (SyntaxError, NameError, LookupError, TypeError, ConfigParsingError) as error:
        raise ValueError(
            f'{os.fspath(path)}, or a config that it builds on: {type(error).__name__}: {error}'
        ) from error
    _import_custom_modules(cfg)
    merge_options(cfg, options)
    missing = [key for key in needs if cfg.get(key) is None]
    if missing:
        raise ValueError(
            f'{os.fspath(path)}: expected a config with {", ".join(needs)}; it has no '
            f'{", ".join(missing)}'
        )
    return cfg


def _import_custom_modules(cfg: Config) -> None:
    if not cfg.get('custom_imports'):
        return
    try:
        import_modules_from_strings(**cfg.custom_imports)
    except ImportError as error:
        raise ValueError(
            f'{cfg.filename}: custom_imports: {error}: {error.__context__}; PYTHONPATH has to name '
            'the folder of your modules'
        ) from error


def leaf_datasets(dataset: Any) -> Iterator[ConfigDict]:
    """The data sets of a config that read an annotation file, those in wrappers among them.

    Args:
        dataset: A data set's config, or that of a wrapper (``dataset``, ``datasets``).
    """
    if 'ann_file' in dataset:
        yield dataset
    for inner in [dataset['dataset']] if 'dataset' in dataset else dataset.get('datasets', []):
        yield from leaf_datasets(inner)


def check_data(cfg: Config, *phases: str) -> None:
    """Check, before the work, that the annotation files of a config's data sets are there.

    Args:
        cfg: The config.
        phases: Some of ``'train'``, ``'val'`` and ``'test'``; one without a dataloader passes.

    Raises:
        FileNotFoundError: If one is not there; says how to get it.
    """
    for phase in phases:
        loader = cfg.get(f'{phase}_dataloader') or {}
        for dataset in leaf_datasets(loader.get('dataset') or {}):
            name = str(dataset['ann_file'] or '')
            path = Path(dataset.get('data_root') or '', name)
            if name and '://' not in name and not path.is_file():
                raise FileNotFoundError(
                    f'{phase}_dataloader: no annotation file {path} (looked from {Path.cwd()}): '
                    'convert the data set first, docs/datasets.md has the commands, or correct '
                    "the config's data_root"
                )


def check_checkpoint(path: str | None) -> None:
    """Check, before the work, that a checkpoint is there; addresses and None pass.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if path is not None and '://' not in path and not os.path.isfile(path):
        raise FileNotFoundError(f'expected a checkpoint, got {path!r}, which is no file')


def merge_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Merge options of the command line into a config.

    Args:
        cfg: The config; it is changed.
        options: By key.

    Raises:
        ValueError: If one does not fit the config.
    """
    for key, value in (options or {}).items():
        name = key.split('.')[0]
        known = {*cfg.keys(), *_OF_A_RUN}
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ValueError(
                f'--cfg-options {key}: expected a key of the config or an option of a run, got '
                f'{name!r}' + (f': did you mean {near[0]!r}?' if near else '')
            )
        try:
            cfg.merge_from_dict({key: value})
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(
                f'--cfg-options {key}={str(value)[:80]!r} does not fit the config: {error}'
            ) from None
