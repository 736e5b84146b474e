"""What MMEngine logs of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read_scalars(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Entries of a ``scalars.json``, one a line; a last line that is half written is left out.

    Args:
        path: The file; a run that was killed, or that is still writing, may have cut its last line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If another line is no entry; names it.
    """
    lines = Path(path).read_text(encoding='utf-8', errors='replace').splitlines()
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise ValueError(f'{path}, line {number}: expected JSON: {error}') from None
        if not isinstance(entry, dict):
            raise ValueError(f'{path}, line {number}: expected an object, got {line[:80]!r}')
        entries.append(entry)
    return entries
