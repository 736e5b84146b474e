"""The benchmark's table: rows from real, tiny measurements, and where it is written."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from mmpointvideo.ops import available_backends, use_backend
from tools.analysis_tools import benchmark_bars as bars
from tools.analysis_tools import benchmark_encoder as bench

TINY = dict(clips=1, frames=8, points=64, width=0.0625, repeats=1, threads=1)


@pytest.fixture
def in_this_process(monkeypatch):
    """No process a run: the peaks mean nothing, everything else is what the tool does."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(bars, '_isolated', lambda function, options: function(options))
    with use_backend('auto'):
        yield
    torch.set_num_threads(threads)


def test_a_row_of_every_case(in_this_process, monkeypatch, tmp_path):
    rows = []
    for case in bars.cases('cpu'):
        smaller = {name: value for name, value in TINY.items() if name not in ('frames', 'repeats')}
        if case.options.get('encoder') == 'p4transformer':
            smaller |= dict(points=256, frames=3)
        elif 'segments' in case.options:
            smaller |= dict(segments=2, frames=8)
        case = dataclasses.replace(case, options=case.options | smaller)
        rows.append(bars.compare(case, dict(frames=8, repeats=1)))
    for row in rows:
        assert row['ours']['seconds'] > 0 and row['ours']['kept'] < row['theirs']['kept']
        if 'PSTNet' in row['title']:
            assert row['output'] < 1e-3 and row['gradient'] < 0.05
    kept = {row['title']: row['ours']['kept'] for row in rows}
    if 'numba' in available_backends():
        assert kept['PSTNet, numba, recomputation'] < kept['PSTNet, numba']
    small = dict(bank=1024, seconds=1.0, peak=100, size=[1, 2, 3])
    growth = [
        dict(axis=axis, value=change[axis], run='ours', seconds=1.0, peak=1e6, kept=1)
        for axis, changes in bars.GROWTH.items()
        for change in changes
    ]
    results = dict(
        machine='m',
        threads=1,
        clock='CPU',
        torch='t',
        device='cpu',
        cases=rows,
        banks=[small, small | dict(bank=8192, seconds=1.1, peak=105)],
        growth=growth,
    )
    text = bars.table(results)
    assert text.count('not measured') == 4  # no GPU, no numbers
    assert '| 8,192 | 1.10 | 1.10 | 1.15 | 0 | 1.05 | 1.1 |' in text
    widths = {line.count('|') for line in text.splitlines() if line.startswith('| PSTNet')}
    assert widths == {14}
    bars.plot(growth, tmp_path / 'growth.png')
    assert (tmp_path / 'growth.png').stat().st_size > 1000
    json.dumps(results)


def test_a_step_with_a_full_bank(in_this_process):
    options = bench.default_options() | TINY
    options |= dict(frames=24, clips=2, bank=64, model='pointcpsc_pstnet-tiny.py')
    found = bench.train_step(options)
    assert found['seconds'] > 0


def test_the_page_has_the_marks():
    page = (bars.ROOT / 'docs' / 'performance.md').read_text()
    assert page.count(bars._MARK.format('begin')) == page.count(bars._MARK.format('end')) == 1


def test_a_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('text')
    with pytest.raises(ValueError, match='expected <!--'):
        bars.write_into(page, 'table')
    begin, end = bars._MARK.format('begin'), bars._MARK.format('end')
    page.write_text(f'a\n{begin}\nold\n{end}\nb\n')
    bars.write_into(page, 'table')
    assert page.read_text() == f'a\n{begin}\ntable\n{end}\nb\n'


@pytest.mark.parametrize('option', ['--recompute', '--every-feature'])
def test_options_of_another_encoder_are_refused(option, monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['benchmark_encoder.py', '--encoder', 'p4transformer', option])
    with pytest.raises(SystemExit):
        bench.parse_args()
    assert 'options of --encoder pstnet' in capsys.readouterr().err
    monkeypatch.setattr('sys.argv', ['benchmark_encoder.py', option])
    assert bench.parse_args().encoder == 'pstnet'
