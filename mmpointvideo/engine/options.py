"""``KEY=VALUE`` options of the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config, DictAction

_MAX_LENGTH = 10_000


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


def merge_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Merge options of the command line into a config.

    Args:
        cfg: The config; it is changed.
        options: By key.

    Raises:
        ValueError: If one does not fit the config.
    """
    for key, value in (options or {}).items():
        try:
            cfg.merge_from_dict({key: value})
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(
                f'--cfg-options {key}={str(value)[:80]!r} does not fit the config: {error}'
            ) from None
