"""run_table.py: definitions, the runs it would start, the table it writes."""

import importlib.util
import json
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
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('path', TABLES, ids=lambda p: p.stem)
def test_shipped_tables_name_configs_that_exist(run_table, path):
    table = run_table.load_table(path.stem)
    names = [row['name'] for row in table['rows']]
    assert table['title'] and len(names) == len(set(names))


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


def test_pretrainings_are_shared_and_finished_runs_are_not_repeated(
    run_table, tmp_path, monkeypatch
):
    started = []

    class Done:
        returncode = 0

    def fake_run(command, **_):
        started.append(command)
        command = [str(part) for part in command]
        if '--out' in command:
            out = Path(command[command.index('--out') + 1])
            out.write_text(json.dumps(dict(knn_video_acc=40.0)))
            return Done
        folder = Path(command[command.index('--work-dir') + 1])
        (folder / 'last_checkpoint').write_text('epoch_1.pth')
        accuracy = 60.0 + len(started)
        (folder / 'results.json').write_text(json.dumps(dict(last=dict(video_acc=accuracy))))
        return Done

    monkeypatch.setattr(run_table.subprocess, 'run', fake_run)
    table = dict(
        title='t',
        rows=[
            dict(name='linear', config='c.py', pretrain='p.py'),
            dict(name='near', config='c.py', pretrain='p.py', knn=True),
        ],
    )
    results = {row['name']: [] for row in table['rows']}
    for _ in range(2):
        for seed in (0, 1):
            for row in table['rows']:
                found = run_table.run_row(row, seed, tmp_path, collect=False)
                if len(results[row['name']]) < 2:
                    results[row['name']].append(found)
    # a pre-training, a probe and a k-NN for each of two seeds, whatever is asked again
    assert len(started) == 6
    probe = [str(part) for part in started[1]]
    assert f'model.encoder_checkpoint={tmp_path}/pretrain/p/seed0/epoch_1.pth' in probe
    assert 'randomness.seed=0' in probe
    text = run_table.markdown(table, results)
    assert '| linear | 63.5 ± 2.1 | 62.0, 65.0 |' in text
    assert '| near | 40.0 ± 0.0 | 40.0, 40.0 |' in text


def test_a_failed_run_stops_and_is_tried_again(run_table, tmp_path):
    with pytest.raises(SystemExit, match='failed with exit status 3'):
        run_table.run_once(tmp_path, ['-c', 'raise SystemExit(3)'], 'row')
    run_table.run_once(tmp_path, ['-c', 'pass'], 'row')
    assert (tmp_path / run_table.RESULT).is_file()
