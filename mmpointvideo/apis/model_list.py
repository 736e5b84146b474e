"""Which models there are: the configs, by name."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path


def config_root() -> Path:
    """The folder of the configs: beside the package, or in the working directory.

    Raises:
        FileNotFoundError: If there is none.
    """
    places = [Path(__file__).resolve().parents[2] / 'configs', Path.cwd() / 'configs']
    for place in places:
        if (place / 'default_runtime.py').is_file():
            return place
    raise FileNotFoundError(
        f'found no configs in {" or ".join(map(str, places))}: work in a checkout of mmpointvideo, '
        'or give the path of a config'
    )


def list_models(pattern: str | None = None) -> list[str]:
    """Names of the models, sorted; each is the file name of a config without ``.py``.

    Args:
        pattern: Only names that match it: ``*`` and ``?`` as in file names; without them, names
            that contain it.

    Raises:
        FileNotFoundError: If the configs are not there.
    """
    if pattern is not None and not set(pattern) & set('*?['):
        pattern = f'*{pattern}*'
    names = [path.stem for path in _configs(config_root())]
    return sorted(n for n in names if pattern is None or fnmatch.fnmatch(n, pattern))


def find_config(name: str | os.PathLike) -> Path:
    """The config of a model, by its name or path.

    Raises:
        FileNotFoundError: If there is no such file and no such name.
    """
    path = Path(name)
    if path.suffix == '.py' or path.parent != Path('.'):
        if not path.is_file():
            raise FileNotFoundError(f'no config {path}')
        return path
    found = [config for config in _configs(config_root()) if config.stem == path.name]
    if not found:
        near = [n for n in list_models() if path.name in n][:5]
        hint = f'; do you mean one of {near}?' if near else '; list_models() gives all names'
        raise FileNotFoundError(f'no model of the name {path.name!r}{hint}')
    return found[0]


def _configs(root: Path) -> list[Path]:
    return [
        path
        for path in root.rglob('*.py')
        if '_base_' not in path.parts and path.name != 'default_runtime.py'
    ]
