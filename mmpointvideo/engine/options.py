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
from pickle import UnpicklingError
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

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
        SystemExit: With status 1, in place of an ``OSError``, a ``ValueError``, or the
            ``UnpicklingError`` of a file that is no checkpoint.

    Examples:
        >>> with one_line_errors():  # doctest: +SKIP
        ...     sys.exit(main())
    """
    try:
        yield
    except (OSError, ValueError, UnpicklingError) as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(1) from None


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


def load_config(path: str | os.PathLike, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and merge options of the command line into it.

    Args:
        path: The file.
        options: By key, as :class:`OverrideAction` gives them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an option does not fit the config.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'expected a config file, got {os.fspath(path)!r}, which is none')
    cfg = Config.fromfile(path)
    merge_options(cfg, options)
    return cfg


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
