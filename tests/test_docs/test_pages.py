"""The pages name every tool and every config."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest

FOLDERS = ('p4transformer', 'pointcpsc', 'pstnet')


def test_every_tool_is_on_a_page(root: Path) -> None:
    pages = [root / 'README.md', *(root / 'docs').glob('*.md'), *root.glob('*/README.md')]
    text = '\n'.join(page.read_text(encoding='utf-8') for page in pages)
    tools = {path.name for path in (root / 'tools').rglob('*.py')}
    assert not sorted(name for name in tools if name not in text)


def expand(pattern: str) -> list[str]:
    """The patterns that ``{a,b}`` stands for, as a shell has it."""
    parts = re.split(r'\{([^}]*)\}', pattern)
    choices = [part.split(',') if i % 2 else [part] for i, part in enumerate(parts)]
    return [''.join(chosen) for chosen in product(*choices)]


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_config_is_in_its_table(root: Path, folder: str) -> None:
    home = root / 'configs' / folder
    rows = [
        line
        for line in (home / 'README.md').read_text(encoding='utf-8').splitlines()
        if line.startswith('|')
    ]
    named = [name for row in rows for name in re.findall(r'`([^`]+)`', row.split('|')[1])]
    patterns = [pattern for name in named for pattern in expand(name)]
    configs = [path.relative_to(home).as_posix() for path in home.rglob('*.py')]

    def listed(config: str) -> bool:
        return any(
            config.startswith(pattern)
            if pattern.endswith('/')
            else fnmatchcase(config, pattern if pattern.endswith('.py') else f'{pattern}.py')
            for pattern in patterns
        )

    assert not sorted(config for config in configs if not listed(config))
    assert all(any(fnmatchcase(c, f'{p}*') for c in configs) for p in patterns)
