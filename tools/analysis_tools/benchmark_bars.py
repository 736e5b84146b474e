"""All cases of docs/performance.md, in one run: a table, and a plot of the growth.

::

    python tools/analysis_tools/benchmark_bars.py --threads 2
    python tools/analysis_tools/benchmark_bars.py --device cuda

Writes ``table.md``, ``growth.png`` and ``results.json`` into ``--out-dir``; with ``--docs`` also
the table into docs/performance.md and the plot beside it. Every run has a process of its own;
every ratio is to a literal transcription of the published loop (``tests/reference/``) with the
same operators, weights and input, in the same invocation, or, for the memory bank, to the small
bank. On two quiet cores it takes about six minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mmpointvideo.engine.options import device_name, one_line_errors, positive_int  # noqa: E402
from mmpointvideo.ops import available_backends  # noqa: E402
from tools.analysis_tools import benchmark_encoder as bench  # noqa: E402

MIB = bench.MIB
BANKS = (1024, 8192, 65536)
GROWTH = {
    'points': [dict(points=points) for points in (512, 1024, 2048, 4096)],
    'frames': [dict(frames=frames) for frames in (8, 16, 32, 48)],
}
_MARK = '<!-- benchmark_bars: {} -->'


@dataclass(frozen=True)
class Case:
    """A row of the table: ours against the published loop.

    Attributes:
        title: What the row says.
        bar: Largest allowed share of time and peak memory, as printed.
        options: Changes to the options of ``benchmark_encoder.measure`` for both.
        ours: Changes for ours alone.
    """

    title: str
    bar: tuple[str, str]
    options: dict = field(default_factory=dict)
    ours: dict = field(default_factory=dict)


def _backends(device: str) -> list[str]:
    """What is compared: numba and PyTorch, or the preferred backend of a GPU."""
    if device.startswith('cuda'):
        return [next(name for name in available_backends() if name != 'numba')]
    return [name for name in ('numba', 'torch') if name in available_backends()]


def cases(device: str) -> list[Case]:
    """The comparisons that are possible on a device."""
    if device.startswith('cuda'):
        paper = dict(clips=88, backend=_backends(device)[0])
        tf32 = paper | dict(tf32=True, padding_mode='zeros')
        return [
            Case("PSTNet, paper's size, TF32", ('1/5', '1/6'), tf32),
            Case(
                "PSTNet, paper's size, bf16 and recomputation",
                ('1/8', '1/12'),
                tf32,
                dict(bf16=True, recompute=True),
            ),
        ]
    published = dict(padding_mode='zeros')
    segments = dict(segments=6)
    scene = dict(encoder='p4transformer', clips=1, frames=3, points=4096)
    found = []
    for backend in _backends(device):
        name = dict(numba='numba', torch='PyTorch only')[backend]
        with_backend = dict(backend=backend)
        numba = backend == 'numba'
        found.append(
            Case(
                f'PSTNet, {name}',
                ('1/4', '1/6') if numba else ('1/2', '1/4'),
                published | with_backend,
            )
        )
        if not numba:
            continue
        found += [
            Case(
                f'PSTNet, {name}, recomputation',
                ('', ''),
                published | with_backend,
                dict(recompute=True),
            ),
            Case(
                f'segments of 4 frames, zero padding, {name}',
                ('1/7', '1/5'),
                segments | published | with_backend,
            ),
            Case(
                f'segments of 4 frames, replicated padding, {name}',
                ('1/7', '1/5'),
                segments | with_backend,
            ),
        ]
        found += [
            Case(
                f'P4Transformer scene of {extent:g} m, {name}',
                bar,
                scene | with_backend | dict(extent=extent, repeats=3),
            )
            for extent, bar in ((30.0, ('1/3', '1/3')), (13.0, ('1/2', '1/2')), (2.0, ('1', '1')))
        ]
    return found


def _isolated(function, options: dict) -> dict:
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(function, options).result()


def _summary(found: dict) -> dict:
    seconds = found['forward'] + found['backward']
    return dict(seconds=seconds, peak=found['peak'], kept=found['kept'])


def compare(case: Case, base: dict, loops: dict | None = None) -> dict:
    """Measure the published loop and ours; ``loops`` remembers what the loop took."""
    encoder = case.options.get('encoder', 'pstnet')
    options = bench.default_options(encoder) | base | case.options
    loops = {} if loops is None else loops
    key = repr(sorted(options.items()))
    if key not in loops:
        loops[key] = _isolated(bench.measure, options | dict(literal=True))
    theirs = loops[key]
    ours = _isolated(bench.measure, options | case.ours)
    title = case.title
    if encoder == 'p4transformer':
        model, xyz, _ = bench.build(options)
        distinct = bench.distinct_neighbors(model, xyz)
        title += f', {distinct:.1f} of 32 neighbours distinct'
    return dict(
        title=title,
        bar=case.bar,
        size=[options[name] for name in ('clips', 'frames', 'points')],
        theirs=_summary(theirs),
        ours=_summary(ours),
        output=bench.deviation(ours['output'], theirs['output']),
        gradient=bench.worst_gradient(ours, theirs),
    )


def grow(base: dict) -> list[dict]:
    """Time and peak memory over the number of points and of frames, with two clips."""
    rows = []
    backend = _backends(base['device'])[0]
    runs = [
        ('published loop', dict(literal=True, backend=backend)),
        (f'ours, {backend}', dict(backend=backend)),
    ]
    for axis, changes in GROWTH.items():
        for change in changes:
            for label, what in runs:
                options = bench.default_options() | base | dict(clips=2, repeats=1)
                options |= dict(padding_mode='zeros') | change | what
                found = _summary(_isolated(bench.measure, options))
                rows.append(dict(axis=axis, value=change[axis], run=label, **found))
                print(f'{axis} {change[axis]}, {label}: {found["seconds"]:.2f} s', flush=True)
    return rows


def table(results: dict) -> str:
    """The results as Markdown."""
    lines = [
        f'{results["machine"]}, {results["threads"]} threads, {results["clock"]} time, '
        f'torch {results["torch"]}.',
        '',
        '| case | size | loop s | ours s | time | bar | loop peak MiB | ours | peak | bar '
        '| kept for backward | output differs | worst gradient |',
        '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ]
    for row in results['cases']:
        ours, theirs = row['ours'], row['theirs']
        lines.append(
            f'| {row["title"]} | {" x ".join(map(str, row["size"]))} '
            f'| {theirs["seconds"]:.2f} | {ours["seconds"]:.2f} '
            f'| 1/{theirs["seconds"] / ours["seconds"]:.2f} | {row["bar"][0]} '
            f'| {theirs["peak"] / MIB:.0f} | {ours["peak"] / MIB:.0f} '
            f'| 1/{theirs["peak"] / max(ours["peak"], 1):.1f} | {row["bar"][1]} '
            f'| 1/{theirs["kept"] / ours["kept"]:.1f} '
            f'| {row["output"]:.0e} | {row["gradient"]:.0e} |'
        )
    if not results['device'].startswith('cuda'):
        lines += [
            "| PSTNet, paper's size, TF32, GPU | 88 x 24 x 1024 | not measured | not measured | "
            '| 1/5 | | | | 1/6 | | | |',
            "| PSTNet, paper's size, bf16 and recomputation, GPU | 88 x 24 x 1024 | not measured "
            '| not measured | | 1/8 | | | | 1/12 | | | |',
        ]
    if results['banks']:
        small = results['banks'][0]
        lines += [
            '',
            'A whole pre-training step (PSTNet, '
            f'{" x ".join(map(str, small["size"]))}, AdamW) by the size of the bank; the memory is '
            'that of model, optimiser and step together:',
            '',
            '| bank | s | time | bar | peak MiB | peak | bar |',
            '|---|---|---|---|---|---|---|',
        ]
        for row in results['banks']:
            bars = ('1.15', '1.1') if row['bank'] == 8192 else ('', '')
            lines.append(
                f'| {row["bank"]:,} | {row["seconds"]:.2f} '
                f'| {row["seconds"] / small["seconds"]:.2f} | {bars[0]} '
                f'| {row["peak"] / MIB:.0f} | {row["peak"] / small["peak"]:.2f} | {bars[1]} |'
            )
    return '\n'.join(lines) + '\n'


def plot(rows: list[dict], path: Path) -> None:
    """Draw the growth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout='constrained')
    axes = figure.subplots(2, 2, sharey='row')
    for column, axis in enumerate(GROWTH):
        for line, (key, unit, scale) in enumerate(
            (('seconds', 'forward and backward, s', 1), ('peak', 'peak memory, MiB', MIB))
        ):
            panel = axes[line][column]
            for run in dict.fromkeys(row['run'] for row in rows):
                mine = [row for row in rows if row['run'] == run and row['axis'] == axis]
                values = [row['value'] for row in mine]
                panel.loglog(values, [row[key] / scale for row in mine], 'o-', label=run)
            panel.set_xticks(values, [str(value) for value in values])
            panel.minorticks_off()
            panel.grid(alpha=0.3)
            panel.set_xlabel(axis)
            axes[line][0].set_ylabel(unit)
    axes[0][0].legend()
    figure.suptitle('PSTNet, 2 clips; 24 frames on the left, 1024 points on the right')
    figure.savefig(path, dpi=120)


def write_into(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page.

    Raises:
        ValueError: If the page has no marks.
    """
    begin, end = _MARK.format('begin'), _MARK.format('end')
    head, found, rest = page.read_text(encoding='utf-8').partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f'{page}: expected {begin} and {end}')
    page.write_text(f'{head}{begin}\n{text}\n{end}{tail}', encoding='utf-8')


def machine() -> str:
    """The processor, or the GPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    found = re.search(r'model name\s*: (.+)', Path('/proc/cpuinfo').read_text())
    return found[1] if found else platform.machine()


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--threads', type=positive_int, default=torch.get_num_threads())
    parser.add_argument('--device', type=device_name, default='cpu')
    parser.add_argument('--clips', type=positive_int, default=8, help="of the CPU's PSTNet rows")
    parser.add_argument('--repeats', type=positive_int, default=2)
    parser.add_argument('--parts', nargs='+', choices=('cases', 'banks', 'growth'))
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/performance'))
    parser.add_argument('--docs', action='store_true', help='write into docs/performance.md')
    parser.add_argument(
        '--cpu-time',
        action='store_true',
        help='CPU instead of wall time: with --threads 1 steadier on a busy machine',
    )
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Measure, print and write."""
    parsed = parse_args(args)
    parts = parsed.parts or ['cases', 'banks', 'growth']
    base = dict(
        device=parsed.device,
        threads=parsed.threads,
        repeats=parsed.repeats,
        cpu_time=parsed.cpu_time,
        clips=parsed.clips,
    )
    results: dict = dict(
        machine=machine(),
        threads=parsed.threads,
        clock='CPU' if parsed.cpu_time else 'wall',
        torch=torch.__version__,
        device=parsed.device,
        cases=[],
        banks=[],
        growth=[],
    )
    start = time.perf_counter()
    if 'cases' in parts:
        loops: dict = {}
        for case in cases(parsed.device):
            results['cases'].append(compare(case, base, loops))
            print(table(results | dict(cases=results['cases'][-1:])).splitlines()[4], flush=True)
    if 'banks' in parts:
        options = bench.default_options() | base | dict(model='pointcpsc_pstnet.py')
        size = [options[name] for name in ('clips', 'frames', 'points')]
        for bank in BANKS:
            found = _isolated(bench.train_step, options | dict(bank=bank))
            results['banks'].append(found | dict(bank=bank, size=size))
            print(f'bank of {bank}: {found["seconds"]:.2f} s', flush=True)
    if 'growth' in parts:
        results['growth'] = grow(base)
    parsed.out_dir.mkdir(parents=True, exist_ok=True)
    text = table(results)
    (parsed.out_dir / 'table.md').write_text(text, encoding='utf-8')
    (parsed.out_dir / 'results.json').write_text(json.dumps(results, indent=1), encoding='utf-8')
    if results['growth']:
        plot(results['growth'], parsed.out_dir / 'growth.png')
    if parsed.docs:
        picture = ''
        if results['growth']:
            plot(results['growth'], ROOT / 'docs' / 'performance_growth.png')
            picture = '\n![Time and memory over points and frames](performance_growth.png)\n'
        write_into(ROOT / 'docs' / 'performance.md', text + picture)
    print(text)
    print(f'{time.perf_counter() - start:.0f} s; written to {parsed.out_dir}')


if __name__ == '__main__':
    with one_line_errors():
        main()
