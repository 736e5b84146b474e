"""Run the configs of a table over several seeds and write the table.

A table is a YAML file in ``configs/tables/``: a title, and rows that name a config each, and the
pre-training config whose encoder they start from, if any. Pre-trainings are shared between rows.
Every run has a folder of its own under the work folder; a finished run is not run again, an
interrupted one is resumed, so the command can simply be repeated.

    python tools/analysis_tools/run_table.py msr_skeleton --seeds 3
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from mmengine.fileio import load

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / 'configs' / 'tables'
RESULT = 'run.json'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('table', help=f'name of a file in {TABLES.relative_to(ROOT)}, or a path')
    parser.add_argument('--seeds', type=int, default=3, help='seeds 0 .. n-1 (default 3)')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'tables')
    parser.add_argument('--rows', nargs='+', help='only the rows with these names')
    parser.add_argument('--out', type=Path, help='Markdown file (default: WORK_DIR/TABLE.md)')
    parser.add_argument(
        '--collect', action='store_true', help='run nothing, make the table of what is there'
    )
    return parser.parse_args()


def load_table(name: str) -> dict:
    """Read a table's definition and check that every config it names exists."""
    path = Path(name) if Path(name).is_file() else TABLES / f'{name}.yml'
    if not path.is_file():
        known = sorted(p.stem for p in TABLES.glob('*.yml'))
        raise FileNotFoundError(f'no table {name!r}: expected a YAML file or one of {known}')
    table = load(path)
    for row in table['rows']:
        unknown = set(row) - {'name', 'config', 'pretrain', 'knn', 'paper'}
        if unknown:
            raise ValueError(f'{path}, row {row["name"]!r}: unknown keys {sorted(unknown)}')
        for key in ('config', 'pretrain'):
            if row.get(key) and not (ROOT / row[key]).is_file():
                raise FileNotFoundError(f'{path}, row {row["name"]!r}: no config {row[key]}')
    table['name'] = path.stem
    return table


def run_once(folder: Path, command: list[str], label: str) -> dict:
    """Run a command unless its folder says that it has finished; time and memory beside it."""
    done = folder / RESULT
    if done.is_file():
        return json.loads(done.read_text())
    print(f'== {label}', flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    status = subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode
    if status:
        raise SystemExit(f'{label} failed with exit status {status}; its log is in {folder}')
    result = dict(seconds=time.perf_counter() - started, command=command)
    aside = done.with_suffix('.tmp')
    aside.write_text(json.dumps(result, indent=1))
    os.replace(aside, done)
    return result


def train_command(config: str, folder: Path, seed: int, options: dict) -> list[str]:
    """The command line of one training run."""
    options = {'randomness.seed': seed, **options}
    return [
        'tools/train.py',
        config,
        '--work-dir',
        str(folder),
        '--resume',
        '--cfg-options',
        *(f'{key}={value}' for key, value in options.items()),
    ]


def last_checkpoint(folder: Path) -> Path:
    """The last checkpoint of a finished run."""
    pointer = folder / 'last_checkpoint'
    if not pointer.is_file():
        raise FileNotFoundError(f'{folder} has no last_checkpoint: did the pre-training finish?')
    return folder / Path(pointer.read_text().strip()).name


def run_row(row: dict, seed: int, work_dir: Path, collect: bool) -> dict | None:
    """All runs of a row for one seed; its metrics, or None where they are still missing."""
    checkpoint = None
    if row.get('pretrain'):
        pretrain = work_dir / 'pretrain' / Path(row['pretrain']).stem / f'seed{seed}'
        if not collect:
            command = train_command(row['pretrain'], pretrain, seed, {})
            run_once(pretrain, command, f'{Path(row["pretrain"]).stem}, seed {seed}')
        elif not (pretrain / RESULT).is_file():
            return None
        checkpoint = last_checkpoint(pretrain)
    folder = work_dir / 'rows' / row['name'].replace(' ', '-').replace('/', '-') / f'seed{seed}'
    results = folder / 'results.json'
    if not collect:
        folder.mkdir(parents=True, exist_ok=True)
        if row.get('knn'):
            command = ['tools/analysis_tools/knn_eval.py', row['config']]
            command += [str(checkpoint or 'random'), '--seed', str(seed), '--out', str(results)]
        else:
            options = {'model.encoder_checkpoint': checkpoint} if checkpoint else {}
            command = train_command(row['config'], folder, seed, options)
        run_once(folder, command, f'{row["name"]}, seed {seed}')
    if not results.is_file():
        return None
    found = json.loads(results.read_text())
    return found if row.get('knn') else found['last']


def markdown(table: dict, results: dict[str, list[dict]]) -> str:
    """The table, mean and standard deviation over seeds, last epoch."""
    metric = table.get('metric', 'video_acc')
    lines = [
        f'### {table["title"]}',
        '',
        f'| row | {table.get("metric_title", metric)} | seeds | paper |',
        '|---|---|---|---|',
    ]
    for row in table['rows']:
        values = [
            found['knn_video_acc' if row.get('knn') else metric] for found in results[row['name']]
        ]
        text = 'not measured'
        if values:
            spread = f' ± {np.std(values, ddof=1):.1f}' if len(values) > 1 else ''
            text = f'{np.mean(values):.1f}{spread}'
        each = ', '.join(f'{value:.1f}' for value in values)
        lines.append(f'| {row["name"]} | {text} | {each} | {row.get("paper", "")} |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    args = parse_args()
    table = load_table(args.table)
    work_dir = args.work_dir / table['name']
    results: dict[str, list[dict]] = {row['name']: [] for row in table['rows']}
    for seed in range(args.seeds):
        for row in table['rows']:
            if args.rows and row['name'] not in args.rows:
                continue
            found = run_row(row, seed, work_dir, args.collect)
            if found is not None:
                results[row['name']].append(found)
    text = markdown(table, results)
    out = args.out or work_dir / f'{table["name"]}.md'
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(f'\n{text}\nwritten to {out}')


if __name__ == '__main__':
    main()
