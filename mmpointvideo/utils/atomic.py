"""Writing files so that a reader never sees half of one."""

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = 'wb') -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path``; it takes that name when the block succeeds.

    When the block raises, the temporary file is removed and whatever was at ``path`` stays as it
    was. Missing parent folders are made.

    Args:
        path: Where the finished file shall be.
        mode: ``'wb'`` or ``'w'`` (UTF-8 text).

    Yields:
        The open file.
    """
    if mode not in ('wb', 'w'):
        raise ValueError(f"mode: expected 'wb' or 'w', got {mode!r}")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f'.{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp')
    try:
        with open(aside, mode.replace('w', 'x'), encoding=None if 'b' in mode else 'utf-8') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike, data: Any) -> None:
    """Write ``data`` as indented JSON, atomically (see :func:`atomic_write`).

    Raises:
        ValueError: If ``data`` holds NaN or infinity, which JSON does not have.
    """
    with atomic_write(path, 'w') as file:
        json.dump(data, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write('\n')
