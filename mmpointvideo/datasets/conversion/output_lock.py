"""One conversion at a time into a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def output_lock(out_dir: str | os.PathLike, shard: tuple[int, int] = (1, 1)) -> Iterator[None]:
    """Keep other conversions out of a folder, on every machine that shares it.

    Different shards may run side by side, the same one or a conversion of everything may not.
    The lock goes with the process, however it ends; its empty file ``.conversion.lock`` stays.

    Args:
        out_dir: The data root; made if missing.
        shard: Which shard, from 1, and of how many.

    Raises:
        BlockingIOError: If another conversion into the folder is running.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    number, shards = shard
    with ExitStack() as stack:

        def lock(name: str, kind: int) -> None:
            _lock(stack.enter_context(open(folder / name, 'a+b')), kind, folder)

        lock('.conversion.lock', fcntl.LOCK_EX if shards == 1 else fcntl.LOCK_SH)
        if shards > 1:
            lock(f'.conversion-{number:03d}-of-{shards:03d}.lock', fcntl.LOCK_EX)
        yield


def _lock(file: IO[bytes], kind: int, folder: Path) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            f'another conversion into {folder} is running: wait for it, or choose another folder'
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(f'note: {folder} cannot be locked ({error}): run one conversion into it at a time')
