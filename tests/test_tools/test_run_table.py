"""run_table.py: definitions, the runs it would start, the table it writes."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLES = sorted((ROOT / 'configs' / 'tables').glob('*.yml'))


@pytest.fixture(scope='module')
def run_table():
    path = ROOT / 'tools' / 'analysis_tools' / 'run_table.py'
    spec = importlib.util.spec_from_file_location('run_table', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('path', TABLES, ids=lambda p: p.stem)
def test_shipped_tables_name_configs_that_exist(run_table, path):
    table = run_table.load_table(path.stem)
    names = [row['name'] for row in table['rows']]
    assert table['title'] and len(names) == len(set(names))
    cells = [c for size in run_table.SIZES for c in run_table.make_cells(table, size, 0, ROOT)]
    assert {cell.row for cell in cells} == set(names)


def _write(path, rows):
    path.write_text(yaml.safe_dump(dict(title='t', rows=rows)))
    return str(path)


def test_bad_definitions(run_table, tmp_path):
    with pytest.raises(FileNotFoundError, match='no table'):
        run_table.load_table('nothing')
    rows = [dict(name='a', config='configs/missing.py')]
    with pytest.raises(FileNotFoundError, match="row 'a': no config configs/missing.py"):
        run_table.load_table(_write(tmp_path / 'one.yml', rows))
    rows = [dict(name='a', config='setup.py', pretrian='setup.py')]
    with pytest.raises(ValueError, match="unknown keys \\['pretrian'\\]"):
        run_table.load_table(_write(tmp_path / 'two.yml', rows))


def _fake_training(monkeypatch, run_table, started):
    """Commands leave what a training leaves."""

    def execute(command):
        started.append(command)
        if '--out' in command:
            out = Path(command[command.index('--out') + 1])
            out.write_text(json.dumps(dict(knn_video_acc=40.0)))
            return 0, 100.0
        folder = Path(command[command.index('--work-dir') + 1])
        (folder / 'last_checkpoint').write_text('epoch_1.pth')
        accuracy = 60.0 + len(started)
        (folder / 'results.json').write_text(json.dumps(dict(last=dict(video_acc=accuracy))))
        log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        lines = [dict(lr=0.1, time=0.5, epoch=e, iter=8 * e) for e in (1, 2)]
        log.write_text('\n'.join(map(json.dumps, [*lines, dict(video_acc=1.0, time=9.0, step=1)])))
        return 0, 1000.0

    monkeypatch.setattr(run_table, 'execute', execute)


def test_pretrainings_are_shared_and_finished_runs_are_not_repeated(
    run_table, tmp_path, monkeypatch
):
    started = []
    _fake_training(monkeypatch, run_table, started)
    table = dict(
        name='t',
        title='t',
        rows=[
            dict(name='linear', config='c.py', pretrain='p.py'),
            dict(name='near', config='c.py', pretrain='p.py', knn=True),
        ],
    )
    cells = [c for seed in (0, 1) for c in run_table.make_cells(table, 'tiny', seed, tmp_path)]
    for _ in range(2):
        run_table.run_cells(cells)
    # a pre-training, a probe and a k-NN for each of two seeds, whatever is asked again
    assert len(started) == 6
    checkpoint = f'{tmp_path}/pretrain/p/seed0/epoch_1.pth'
    assert f'model.encoder_checkpoint={checkpoint}' in started[1]
    assert 'randomness.seed=0' in started[1]
    assert started[2][:3] == ['tools/analysis_tools/knn_eval.py', 'c.py', checkpoint]
    text = run_table.markdown(table, run_table.collect(cells), 'tiny')
    assert '| linear | 63.5 ± 2.1 | 62.0, 65.0 |' in text
    assert '| near | 40.0 ± 0.0 | 40.0, 40.0 |' in text
    # another table finds what they have in common done
    table = dict(name='u', title='u', rows=[dict(name='x', config='c.py', pretrain='p.py')])
    run_table.run_cells(run_table.make_cells(table, 'tiny', 0, tmp_path))
    assert len(started) == 6


def test_sizes_columns_costs_and_plot(run_table, tmp_path, monkeypatch):
    started = []
    _fake_training(monkeypatch, run_table, started)
    table = dict(
        name='t',
        title='Bank',
        costs=True,
        columns=[
            dict(name='probe', config=dict(tiny='l.py')),
            dict(name='tuned', config=dict(tiny='f.py', full='F.py')),
        ],
        rows=[
            dict(name='one', pretrain=dict(tiny='p1.py', full='P1.py'), paper=90.5),
            dict(name='two', pretrain=dict(full='P2.py')),
        ],
    )
    full = run_table.make_cells(table, 'full', 0, tmp_path)
    assert [(c.row, c.column) for c in full] == [('one', 'tuned'), ('two', 'tuned')]
    cells = run_table.make_cells(table, 'tiny', 0, tmp_path)
    assert [(c.row, c.column) for c in cells] == [('one', 'probe'), ('one', 'tuned')]
    missing = run_table.markdown(table, run_table.collect(cells), 'tiny')
    assert '| one | not run |  | not run |  |  |  | 90.5 |' in missing
    assert not run_table.plot(table, run_table.collect(cells), 'tiny', tmp_path / 'none.png')
    run_table.run_cells(cells[:1])
    text = run_table.markdown(table, run_table.collect(cells), 'tiny')
    # half a second an iteration, eight an epoch, and the memory of the pre-training
    assert '| one | 62.0 | 62.0 | not run |  | 4.0 | 1000 | 90.5 |' in text
    path = tmp_path / 'plot.png'
    assert run_table.plot(table, run_table.collect(cells), 'tiny', path)
    assert path.read_bytes()[:4] == b'\x89PNG'


def test_main_runs_and_collects(run_table, tmp_path, monkeypatch, capsys):
    started = []
    _fake_training(monkeypatch, run_table, started)
    rows = [dict(name='a', config='setup.py', paper=80), dict(name='b', config='README.md')]
    table = _write(tmp_path / 'mine.yml', rows)
    options = [table, '--seeds', '2', '--work-dir', str(tmp_path / 'work')]
    run_table.main([*options, '--rows', 'a'])
    assert len(started) == 2
    text = (tmp_path / 'work' / 'mine-tiny.md').read_text()
    assert '| a | 61.5 ± 0.7 | 61.0, 62.0 | 80 |' in text and '| b | not run |' in text
    assert (tmp_path / 'work' / 'mine-tiny.png').is_file()
    # nothing is started to collect, and what is the same config is there already
    rows[1]['config'] = 'setup.py'
    _write(tmp_path / 'mine.yml', rows)
    run_table.main([*options, '--collect', '--out', str(tmp_path / 'out')])
    assert len(started) == 2
    assert '| b | 61.5 ± 0.7 |' in (tmp_path / 'out' / 'mine-tiny.md').read_text()
    assert 'mine-tiny.md and .png' in capsys.readouterr().out


def test_two_processes_share_the_work(run_table, tmp_path):
    mine = run_table.Run(tmp_path / 'mine', ['-c', 'pass'], 'mine')
    with run_table._claim(mine.folder) as claimed:
        assert claimed and not run_table.run_once(mine)  # somebody is at it
    assert run_table.run_once(mine)
    result = json.loads((mine.folder / run_table.RESULT).read_text())
    assert 1 < result['peak_mib'] < 10_000 and result['seconds'] > 0


def test_a_failed_run_stops_and_is_tried_again(run_table, tmp_path):
    run = run_table.Run(tmp_path, ['-c', 'raise SystemExit(3)'], 'row')
    with pytest.raises(SystemExit, match='failed with exit status 3'):
        run_table.run_once(run)
    run.command = ['-c', 'pass']
    assert run_table.run_once(run)
    assert (tmp_path / run_table.RESULT).is_file()


def test_a_selection_keeps_the_rest_of_the_table(run_table, tmp_path, monkeypatch, capsys):
    started = []
    _fake_training(monkeypatch, run_table, started)
    rows = [dict(name='a', config='setup.py'), dict(name='b', config='setup.py', knn=True)]
    table = _write(tmp_path / 'mine.yml', rows)
    options = [table, '--seeds', '1', '--work-dir', str(tmp_path / 'work')]
    run_table.main([*options, '--rows', 'a'])
    assert len(started) == 1
    run_table.main([*options, '--rows', 'b'])
    text = (tmp_path / 'work' / 'mine-tiny.md').read_text()
    assert len(started) == 2 and '| a | 61.0' in text and '| b | 40.0' in text
    with pytest.raises(ValueError, match=r"--rows: expected names of \['a', 'b'\], got \['c'\]"):
        run_table.main([*options, '--rows', 'c'])
    with pytest.raises(ValueError, match='--columns: expected names of'):
        run_table.main([*options, '--columns', 'x', '--collect'])
    with pytest.raises(SystemExit):
        run_table.main([table, '--seeds', '0', '--collect'])
    assert (tmp_path / 'work' / 'mine-tiny.md').read_text() == text
