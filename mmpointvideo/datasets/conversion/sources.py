"""Finding what there is to convert."""

import os
from collections.abc import Iterator


def walk_folders(root: str | os.PathLike[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """``os.walk`` in the order of names, which follows links to folders, each folder once.

    Args:
        root: Where to begin.

    Yields:
        Path of a folder, names of the folders in it (remove those that shall not be looked into),
        names of everything else in it, links to nowhere included.
    """
    seen = set()
    for folder, folders, files in os.walk(os.fspath(root), followlinks=True):
        target = os.path.realpath(folder)
        if target in seen:  # a link back, or a second one
            folders.clear()
            continue
        seen.add(target)
        folders.sort()
        yield folder, folders, sorted(files)
