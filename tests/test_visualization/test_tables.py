"""Tables of results: numbers, gaps, costs, and the plot."""

from __future__ import annotations

from mmpointvideo.visualization.tables import markdown, mean_and_spread, plot


def measured(*values):
    return [dict(value=value, epoch_seconds=2.0, memory_mib=None) for value in values]


TABLE = dict(
    title='Bank',
    costs=True,
    columns=[dict(name='probe'), dict(name='tuned')],
    rows=[dict(name='256', paper=90.91), dict(name='512'), dict(name='1024', paper=92.26)],
    note=' Three seeds. ',
)
RESULTS = {
    ('256', 'probe'): measured(50.0, 52.0, 54.0),
    ('256', 'tuned'): [],
    ('1024', 'probe'): measured(60.0),
    ('1024', 'tuned'): measured(70.0, 70.0),
}


def test_mean_and_spread():
    assert mean_and_spread([]) == 'not run'
    assert mean_and_spread([61.25]) == '61.2'
    assert mean_and_spread([1.0, 2.0, 3.0]) == '2.0 ± 1.0'  # of a sample: divided by n - 1


def test_rows_without_results_are_left_out_and_gaps_are_named():
    lines = markdown(TABLE, RESULTS, 'tiny').splitlines()
    assert lines[2] == (
        '| row | probe (ours, tiny) | seeds | tuned (ours, tiny) | seeds | s/epoch | MiB | paper |'
    )
    assert lines[4:6] == [
        '| 256 | 52.0 ± 2.0 | 50.0, 52.0, 54.0 | not run |  | 2.0 |  | 90.91 |',
        '| 1024 | 60.0 | 60.0 | 70.0 ± 0.0 | 70.0, 70.0 | 2.0 |  | 92.26 |',
    ]
    assert lines[-1] == 'Three seeds.'


def test_the_papers_column_is_there_where_the_paper_has_a_number():
    table = dict(title='Own', rows=[dict(name='a')])
    lines = markdown(table, {('a', 'accuracy'): measured(50.0)}, 'tiny').splitlines()
    assert lines[2:] == ['| row | accuracy | seeds |', '|---|---|---|', '| a | 50.0 | 50.0 |']


def test_plot(tmp_path):
    assert not plot(TABLE, {key: [] for key in RESULTS}, 'tiny', tmp_path / 'none.png')
    assert not (tmp_path / 'none.png').exists()
    assert plot(TABLE, RESULTS, 'tiny', tmp_path / 'new' / 'plot.png')
    assert (tmp_path / 'new' / 'plot.png').read_bytes()[:4] == b'\x89PNG'


def test_names_with_dollars(tmp_path):
    results = {(r'$\bank$', r'$\probe$'): measured(50.0)}
    table = dict(title='$', rows=[dict(name=r'$\bank$')], metric_title=r'$\metric$')
    assert plot(table, results, 'tiny', tmp_path / 'plot.png')
