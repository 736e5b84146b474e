"""The set-up scripts, and the files that only the project as a whole has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmpointvideo import __version__


def fake_python(folder: Path, version: str) -> Path:
    path = folder / f'python{version}'
    path.write_text(f'#!/usr/bin/env bash\necho {version}\n')
    path.chmod(0o755)
    return path


def run(root: Path, script: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ['bash', root / 'tools' / script],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize('script', ['setup_env.sh', 'run_tests.sh', 'quickstart.sh'])
@pytest.mark.parametrize('version', ['3.10', '3.14', '2.7'])
def test_another_python_stops_with_one_sentence(
    root: Path, tmp_path: Path, script: str, version: str
) -> None:
    python = fake_python(tmp_path, version)
    done = run(root, script, PYTHON=str(python), MMPV_VENV=str(tmp_path / 'venv'))
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line]
    assert len(said) == 1
    assert re.fullmatch(
        rf'\[setup\] mmpointvideo needs Python 3\.11, .* is {version}; .*\.', said[0]
    )
    assert not (tmp_path / 'venv').exists()


@pytest.mark.parametrize('name', ['thesis.txt', '.hidden'])
def test_a_folder_of_somebody_else_is_left_alone(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious' / name).write_text('data')
    done = run(root, 'setup_env.sh', PYTHON=sys.executable, MMPV_VENV=str(tmp_path / 'precious'))
    assert done.returncode == 1
    assert 'was not made by this script' in done.stderr
    assert (tmp_path / 'precious' / name).read_text() == 'data'
    done = run(
        root, 'setup_env.sh', PYTHON=sys.executable, MMPV_VENV=str(tmp_path / 'precious' / name)
    )
    assert done.returncode == 1 and (tmp_path / 'precious' / name).read_text() == 'data'


def test_no_python_at_all(root: Path, tmp_path: Path) -> None:
    done = run(root, 'setup_env.sh', PYTHON='no-such-python', MMPV_VENV=str(tmp_path / 'venv'))
    assert done.returncode == 1
    assert "found no 'no-such-python'" in done.stderr


def test_pins_of_the_script_are_those_of_the_package(root: Path) -> None:
    setup = (root / 'setup.py').read_text()
    script = (root / 'tools/setup_env.sh').read_text()
    low, high = re.search(r"'torch>=([\d.]+),<([\d.]+)'", setup).groups()
    assert f'TORCH_LOW={low}\n' in script
    assert f'TORCH_HIGH={high}\n' in script
    pin = re.search(r"'(setuptools>=[^']+)'", setup)[1]
    assert pin in script
    assert pin in (root / 'docker/Dockerfile').read_text()
    python = re.search(r"python_requires='>=3\.(\d+),<3\.(\d+)'", setup)
    versions = [f'3.{minor}' for minor in range(int(python[1]), int(python[2]))]
    assert f'{" | ".join(versions)}) ;;' in script


def test_the_image_holds_what_the_pages_show(root: Path) -> None:
    text = (root / 'docker/Dockerfile').read_text()
    for folder in ('configs', 'demo', 'docs', 'tools'):
        assert f'\nCOPY {folder} {folder}\n' in text
    (extras,) = re.findall(r'-e "\.\[(.+)\]"', text)
    assert {'fast', 'mmcv', 'vis'} <= set(extras.split(','))


def test_the_dockerfile_copies_what_there_is(root: Path) -> None:
    admitted = [
        line[1:] for line in (root / '.dockerignore').read_text().splitlines() if line[:1] == '!'
    ]
    copied = re.findall(r'^COPY (.+) \S+$', (root / 'docker/Dockerfile').read_text(), re.M)
    for source in ' '.join(copied).split():
        assert (root / source).exists(), source
        assert source in admitted, source


def test_licence_and_citation(root: Path) -> None:
    licence = (root / 'LICENSE').read_text()
    assert 'Apache License' in licence and 'END OF TERMS AND CONDITIONS' in licence
    assert f'version: {__version__}\n' in (root / 'CITATION.cff').read_text()
    assert f'## {__version__}\n' in (root / 'CHANGELOG.md').read_text()


def test_the_first_screen_names_the_two_commands(root: Path) -> None:
    first = '\n'.join((root / 'README.md').read_text().splitlines()[:40])
    assert 'bash tools/quickstart.sh' in first
    assert 'bash tools/run_tests.sh' in first


def test_configs_of_the_quickstart_exist(root: Path) -> None:
    for script in ('tools/quickstart.sh', '.ci/run'):
        named = re.findall(r'configs/\S+\.py', (root / script).read_text())
        assert named
        for config in named:
            assert (root / config).is_file(), config


def test_links_between_pages(root: Path) -> None:
    for page in [root / 'README.md', *sorted((root / 'docs').glob('*.md'))]:
        text = re.sub(r'```.*?```', '', page.read_text(encoding='utf-8'), flags=re.DOTALL)
        for target in re.findall(r'\]\(([^)#\s]+)[^)]*\)', text):
            if '://' not in target:
                assert (page.parent / target).exists(), f'{page.name} links to {target}'
