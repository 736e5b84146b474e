"""Tables of results over several seeds, as Markdown and as a plot."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from .render import plain_texts

#: measurements of every (row, column), one a seed: ``value`` and what the training cost,
#: ``epoch_seconds`` and ``memory_mib``, None where it is not known
Results = dict[tuple[str, str], list[dict[str, Any]]]


def mean_and_spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    if not values:
        return 'not run'
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):.1f}{spread}'


def markdown(table: dict, results: Results, size: str) -> str:
    """The table: mean and standard deviation over seeds of the last epoch, and the paper's numbers.

    Args:
        table: ``title`` and ``rows`` (``name``, perhaps ``paper``); perhaps ``columns``, ``costs``
            (whether to show them), ``paper_title`` and ``note``.
        results: What has been measured; an empty list reads 'not run', a row that is not among
            the keys is left out.
        size: The size of the configs, for the headings.
    """
    columns = list(dict.fromkeys(column for _, column in results))
    head = ['row']
    for column in columns:
        head += [f'{column} (ours, {size})' if table.get('columns') else column, 'seeds']
    if table.get('costs'):
        head += ['s/epoch', 'MiB']
    with_paper = any('paper' in row for row in table['rows'])
    if with_paper:
        head.append(table.get('paper_title', 'paper'))
    lines = [f'### {table["title"]}', '', '| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for row in table['rows']:
        if not any((row['name'], column) in results for column in columns):
            continue
        texts, costs = [row['name']], []
        for column in columns:
            cells = results.get((row['name'], column), [])
            values = [cell['value'] for cell in cells]
            texts += [mean_and_spread(values), ', '.join(f'{value:.1f}' for value in values)]
            costs += cells
        if table.get('costs'):
            for key, form in (('epoch_seconds', '{:.1f}'), ('memory_mib', '{:.0f}')):
                known = [cost[key] for cost in costs if cost[key] is not None]
                texts.append(form.format(statistics.median(known)) if known else '')
        if with_paper:
            texts.append(str(row.get('paper', '')))
        lines.append('| ' + ' | '.join(texts) + ' |')
    if table.get('note'):
        lines += ['', table['note'].strip()]
    return '\n'.join(lines) + '\n'


def plot(table: dict, results: Results, size: str, path: Path) -> bool:
    """Draw our means with their spread, and the paper's numbers.

    Args:
        table: As for :func:`markdown`.
        results: As for :func:`markdown`.
        size: As for :func:`markdown`.
        path: The PNG file.

    Returns:
        Whether it was written: not without Matplotlib or without numbers.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        print('no plot: it needs Matplotlib (pip install matplotlib)', file=sys.stderr)
        return False
    names = list(dict.fromkeys(row for row, _ in results))
    columns = list(dict.fromkeys(column for _, column in results))
    if not any(results.values()):
        return False
    figure = Figure(figsize=(7, 0.45 * len(names) * max(1, len(columns)) + 1.2))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    height = 0.8 / max(1, len(columns))
    for k, column in enumerate(columns):
        for i, name in enumerate(names):
            values = [cell['value'] for cell in results.get((name, column), [])]
            if values:
                axes.barh(
                    i + (k - (len(columns) - 1) / 2) * height,
                    statistics.mean(values),
                    height * 0.9,
                    xerr=statistics.stdev(values) if len(values) > 1 else None,
                    color=f'C{k}',
                    label=f'{column} (ours, {size})',
                )
    for row in table['rows']:
        if row['name'] in names and isinstance(row.get('paper'), int | float):
            axes.plot(row['paper'], names.index(row['name']), 'kD', label='paper')
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        list(handles.values()), list(handles), loc='lower center', ncols=3, fontsize='small'
    )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(table.get('metric_title', 'video accuracy (%), last epoch'))
    plain_texts(figure)
    figure.tight_layout(rect=(0, 0.6 / figure.get_figheight(), 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return True
