"""Run the configs of a table over several seeds and write the table, as Markdown and as a plot.

A table is a YAML file in ``configs/tables/``: a title, columns (what is measured, with which
config) and rows (from which pre-training, and what the paper reports). Configs are named for a
``tiny`` and a ``full`` size. Pre-trainings and measurements lie in folders named after what they
are, so tables share them; a finished run is not run again, an interrupted one is resumed, and the
same command may run several times at once: each takes what no other has taken.

    python tools/analysis_tools/run_table.py table5 --size tiny --seeds 3
    python tools/analysis_tools/run_table.py table5 table6 --seeds 3 --collect
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.fileio import load

from mmpointvideo.engine.options import one_line_errors, positive_int
from mmpointvideo.utils.atomic import write_json
from mmpointvideo.utils.logs import read_scalars
from mmpointvideo.visualization.tables import Results, markdown, plot

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / 'configs' / 'tables'
RESULT = 'run.json'
SIZES = ('tiny', 'full')
_TABLE_KEYS = {'title', 'metric', 'metric_title', 'paper_title', 'columns', 'costs', 'rows', 'note'}
_COLUMN_KEYS = {'name', 'config', 'metric', 'knn'}
_ROW_KEYS = {'name', 'config', 'pretrain', 'knn', 'paper'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'tables', nargs='+', help=f'names of files in {TABLES.relative_to(ROOT)}, or paths'
    )
    parser.add_argument('--size', choices=SIZES, default='tiny')
    parser.add_argument('--seeds', type=positive_int, default=3, help='seeds 0 .. n-1 (default 3)')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'tables')
    parser.add_argument('--rows', nargs='+', help='run only the rows with these names')
    parser.add_argument('--columns', nargs='+', help='run only the columns with these names')
    parser.add_argument('--out', type=Path, help='folder of tables and plots (default: WORK_DIR)')
    parser.add_argument(
        '--collect', action='store_true', help='run nothing, make the tables of what is there'
    )
    return parser.parse_args(argv)


@dataclass
class Run:
    """One command with a folder of its own.

    Attributes:
        folder: Where its log, checkpoints and ``run.json`` are.
        command: The command line, without the interpreter.
        label: For people.
        after: The pre-training whose last checkpoint it starts from.
        option: How the command gets that checkpoint: ``'cfg'`` or ``'argument'``.
    """

    folder: Path
    command: list[str]
    label: str
    after: Run | None = None
    option: str = 'cfg'


@dataclass
class Cell:
    """A row's measurement in a column with one seed."""

    row: str
    column: str
    metric: str
    run: Run
    found: dict[str, Any] = field(default_factory=dict)


def load_table(name: str) -> dict:
    """Read a table's definition and check that every config it names exists.

    Raises:
        FileNotFoundError: If there is no such table or config.
        ValueError: If it has unknown keys, or a row no config.
    """
    path = Path(name) if Path(name).is_file() else TABLES / f'{name}.yml'
    if not path.is_file():
        known = sorted(p.stem for p in TABLES.glob('*.yml'))
        raise FileNotFoundError(f'no table {name!r}: expected a YAML file or one of {known}')
    table = load(path)
    _check_keys(table, _TABLE_KEYS, str(path))
    for key, allowed in (('columns', _COLUMN_KEYS), ('rows', _ROW_KEYS)):
        for entry in table.get(key, []):
            where = f'{path}, {key[:-1]} {entry["name"]!r}'
            _check_keys(entry, allowed, where)
            for which in ('config', 'pretrain'):
                for config in _configs(entry.get(which)):
                    if not (ROOT / config).is_file():
                        raise FileNotFoundError(f'{where}: no config {config}')
    if not table.get('columns') and not all(row.get('config') for row in table['rows']):
        raise ValueError(f'{path}: expected columns, or a config in every row')
    table['name'] = path.stem
    return table


def _check_keys(entry: dict, allowed: set[str], where: str) -> None:
    unknown = set(entry) - allowed
    if unknown:
        raise ValueError(f'{where}: unknown keys {sorted(unknown)}, expected {sorted(allowed)}')


def check_selection(tables: list[dict], key: str, names: list[str] | None) -> None:
    """Check that every name is that of a row or a column.

    Args:
        tables: Definitions of tables.
        key: ``'rows'`` or ``'columns'``.
        names: The selection; None: everything.

    Raises:
        ValueError: If a name is in no table.
    """
    known = [entry['name'] for table in tables for entry in table.get(key, [])]
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise ValueError(f'--{key}: expected names of {known}, got {unknown}')


def _configs(value: str | dict | None) -> list[str]:
    if value is None:
        return []
    return list(value.values()) if isinstance(value, dict) else [value]


def pick(value: str | dict | None, size: str) -> str | None:
    """A config of this size; a plain name serves any size."""
    return value.get(size) if isinstance(value, dict) else value


def train_command(config: str, folder: Path, seed: int) -> list[str]:
    """The command line of one training run."""
    return [
        'tools/train.py',
        config,
        '--work-dir',
        str(folder),
        '--resume',
        '--cfg-options',
        f'randomness.seed={seed}',
    ]


def make_cells(table: dict, size: str, seed: int, work_dir: Path) -> list[Cell]:
    """The measurements of a table with one seed, row by row."""
    default = [dict(name=table.get('metric_title', table.get('metric', 'video_acc')))]
    cells = []
    for row in table['rows']:
        before = pick(row.get('pretrain'), size)
        pretrain = None
        if before:
            stem = Path(before).stem
            folder = work_dir / 'pretrain' / stem / f'seed{seed}'
            command = train_command(before, folder, seed)
            pretrain = Run(folder, command, f'{stem}, seed {seed}')
        for column in table.get('columns') or default:
            config = pick(row.get('config') or column.get('config'), size)
            if not config:
                continue
            if 'pretrain' in row and not before:
                continue  # not at this size
            knn = bool(row.get('knn', column.get('knn')))
            origin = Path(before).stem if before else 'scratch'
            folder = work_dir / 'runs' / Path(config).stem / (origin + '-knn' * knn)
            folder = folder / f'seed{seed}'
            command = train_command(config, folder, seed)
            if knn:
                command = ['tools/analysis_tools/knn_eval.py', config, 'random']
                command += ['--seed', str(seed), '--out', str(folder / 'results.json')]
            label = f'{table["name"]}, {row["name"]}, {column["name"]}, seed {seed}'
            run = Run(folder, command, label, pretrain, 'argument' if knn else 'cfg')
            metric = column.get('metric', table.get('metric', 'video_acc'))
            cells.append(Cell(row['name'], column['name'], 'knn_video_acc' if knn else metric, run))
    return cells


def last_checkpoint(folder: Path) -> Path:
    """The last checkpoint of a finished run."""
    pointer = folder / 'last_checkpoint'
    if not pointer.is_file():
        raise FileNotFoundError(f'{folder} has no last_checkpoint: did the pre-training finish?')
    return folder / Path(pointer.read_text().strip()).name


def execute(command: list[str]) -> tuple[int, float]:
    """Run a command of this checkout; its exit status and its peak memory in MiB.

    The memory is the largest resident set of one process of it, worker processes included one by
    one.
    """
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024


@contextmanager
def _claim(folder: Path) -> Iterator[bool]:
    """Whether this process may run here; the system gives the claim back if it dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'run.lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def run_once(run: Run) -> bool:
    """Run a command unless it has finished; False where another process is at it.

    Raises:
        SystemExit: If the command fails.
    """
    if (run.folder / RESULT).is_file():
        return True
    with _claim(run.folder) as mine:
        if not mine:
            return False
        if (run.folder / RESULT).is_file():
            return True
        command = list(run.command)
        if run.after is not None:
            checkpoint = last_checkpoint(run.after.folder)
            if run.option == 'argument':
                command[command.index('random')] = str(checkpoint)
            else:
                command.append(f'model.encoder_checkpoint={checkpoint}')
        print(f'== {run.label}', flush=True)
        started = time.perf_counter()
        status, peak = execute(command)
        if status:
            raise SystemExit(
                f'{run.label} failed with exit status {status}; its log is in {run.folder}'
            )
        result = dict(seconds=time.perf_counter() - started, peak_mib=peak, command=command)
        write_json(run.folder / RESULT, result)
    return True


def run_cells(cells: list[Cell], wait: float = 5.0) -> None:
    """Do every run, pre-trainings first; go on with the next where another process is at one."""
    todo = cells
    while todo:
        busy = [
            cell
            for cell in todo
            if not ((cell.run.after is None or run_once(cell.run.after)) and run_once(cell.run))
        ]
        if len(busy) == len(todo):
            time.sleep(wait)
        todo = busy


def read_cell(cell: Cell) -> dict[str, Any] | None:
    """A finished measurement and what its training cost; None where it is missing.

    ``value``: the metric of the last epoch. ``epoch_seconds`` and ``memory_mib``: of the
    pre-training, or of the run itself where there is none; memory is the GPU's where the log has
    it, otherwise the process's largest resident set.
    """
    results = cell.run.folder / 'results.json'
    if not (cell.run.folder / RESULT).is_file() or not results.is_file():
        return None
    found = json.loads(results.read_text())
    found = found.get('last', found)
    trained = cell.run.after or cell.run
    return dict(value=found[cell.metric], **training_costs(trained.folder))


def training_costs(folder: Path) -> dict[str, float | None]:
    """Median seconds of an epoch and peak memory of a training run, from its logs."""
    seconds, memory, iterations, epochs = [], [], 0, 0
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for entry in read_scalars(path):
            if 'time' not in entry or 'iter' not in entry:
                continue
            if 'epoch' not in entry or 'lr' not in entry:
                continue  # a validation
            seconds.append(entry['time'])
            iterations = max(iterations, entry['iter'])
            epochs = max(epochs, entry['epoch'])
            if 'memory' in entry:
                memory.append(entry['memory'])
    epoch = statistics.median(seconds) * iterations / epochs if seconds and epochs else None
    peak = max(memory, default=None)
    if peak is None and (folder / RESULT).is_file():
        peak = json.loads((folder / RESULT).read_text()).get('peak_mib')
    return dict(epoch_seconds=epoch, memory_mib=peak)


def collect(cells: list[Cell]) -> Results:
    """Finished measurements by row and column."""
    results: Results = {}
    for cell in cells:
        values = results.setdefault((cell.row, cell.column), [])
        found = read_cell(cell)
        if found is not None:
            values.append(found)
    return results


def main(argv: list[str] | None = None) -> None:
    """Run and write."""
    args = parse_args(argv)
    tables = [load_table(name) for name in args.tables]
    check_selection(tables, 'rows', args.rows)
    check_selection(tables, 'columns', args.columns)
    cells = {
        (table['name'], seed): make_cells(table, args.size, seed, args.work_dir)
        for seed in range(args.seeds)
        for table in tables
    }
    if not args.collect:
        run_cells(
            [
                cell
                for some in cells.values()
                for cell in some
                if (not args.rows or cell.row in args.rows)
                and (not args.columns or cell.column in args.columns)
            ]
        )
    out = args.out or args.work_dir
    for table in tables:
        mine = [c for (name, _), some in cells.items() if name == table['name'] for c in some]
        results = collect(mine)
        text = markdown(table, results, args.size)
        path = out / f'{table["name"]}-{args.size}.md'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        drawn = plot(table, results, args.size, path.with_suffix('.png'))
        print(f'\n{text}\nwritten to {path}{" and .png" if drawn else ""}')


if __name__ == '__main__':
    with one_line_errors():
        main()
