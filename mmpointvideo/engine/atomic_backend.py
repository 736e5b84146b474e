"""A local file backend whose files appear whole or not at all."""

from __future__ import annotations

import os

from mmengine.fileio import LocalBackend, register_backend

from mmpointvideo.utils.atomic import atomic_write


class AtomicLocalBackend(LocalBackend):
    """MMEngine's ``LocalBackend``, but ``put`` writes aside and renames.

    A run that is killed while it saves leaves the previous file, never half of a new one.
    """

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write bytes."""
        with atomic_write(filepath) as file:
            file.write(obj)

    def put_text(self, obj: str, filepath: str | os.PathLike, encoding: str = 'utf-8') -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)


register_backend('atomic_local', AtomicLocalBackend, force=True)
