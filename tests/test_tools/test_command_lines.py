"""What is wrong on a command line is one line on stderr, never a traceback."""

import runpy
import sys
from pathlib import Path

import pytest

from mmpointvideo.engine.options import one_line_errors
from mmpointvideo.testing import write_ntu_raw

ROOT = Path(__file__).resolve().parents[2]
CONVERTERS = sorted((ROOT / 'tools' / 'dataset_converters').glob('*.py'))


def status_of(tool: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit status of a tool, run as from the command line."""
    monkeypatch.setattr(sys, 'argv', [str(tool), *arguments])
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(tool), run_name='__main__')
    assert isinstance(error.value.code, int)
    return error.value.code


def needed(tool: Path, folder: Path) -> list[str]:
    """Arguments that a converter cannot do without; nothing is there."""
    if tool.stem.startswith('make_builtin'):
        return ['--out-dir', str(folder / 'out')]
    table = [str(folder / 'none.csv')] * (tool.stem == 'point_folders')
    return [str(folder / 'none'), *table, str(folder / 'out')]


@pytest.mark.parametrize('tool', CONVERTERS, ids=lambda tool: tool.stem)
@pytest.mark.parametrize('workers', ['0', '-3', '1.5'])
def test_workers_of_the_converters(tool, workers, tmp_path, monkeypatch, capsys) -> None:
    arguments = [*needed(tool, tmp_path), f'--workers={workers}']
    assert status_of(tool, arguments, monkeypatch) == 2
    assert f'--workers: expected an integer of at least 1, got {workers!r}' in (
        capsys.readouterr().err
    )
    assert not (tmp_path / 'out').exists()


def test_frames_of_a_gesture(tmp_path, monkeypatch, capsys) -> None:
    tool = ROOT / 'tools' / 'dataset_converters' / 'nvgesture.py'
    assert status_of(tool, [*needed(tool, tmp_path), '--frames', '0'], monkeypatch) == 2
    assert '--frames: expected an integer of at least 1' in capsys.readouterr().err


@pytest.mark.parametrize('tool', CONVERTERS, ids=lambda tool: tool.stem)
def test_converters_of_nothing(tool, tmp_path, monkeypatch, capsys) -> None:
    """No source, or, for the generators, a file where the folder shall be."""
    (tmp_path / 'out').write_text('')
    assert status_of(tool, needed(tool, tmp_path), monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and err.count('\n') == 1


def test_a_result_that_cannot_be_written(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip('cv2')
    tool = ROOT / 'tools' / 'dataset_converters' / 'ntu_rgbd.py'
    raw = write_ntu_raw(tmp_path / 'raw', ['S001C001P001R001A001'], num_frames=2)
    (tmp_path / 'out' / 'annotations.json').mkdir(parents=True)
    arguments = [str(raw), str(tmp_path / 'out'), '--workers', '1']
    assert status_of(tool, arguments, monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and 'annotations.json' in err and err.count('\n') == 1


def test_other_errors_keep_their_traceback() -> None:
    for kind in (RuntimeError, IndexError, TypeError):
        with pytest.raises(kind), one_line_errors():
            raise kind('a defect')
    for kind in (ValueError, FileNotFoundError, ChildProcessError):
        with pytest.raises(SystemExit) as error, one_line_errors():
            raise kind('a wrong file')
        assert error.value.code == 1
