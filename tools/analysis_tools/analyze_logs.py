"""Curves and a summary of runs, from the logs in their work folders.

    python tools/analysis_tools/analyze_logs.py WORK_DIR [WORK_DIR ...]
    python tools/analysis_tools/analyze_logs.py A B --keys loss video_acc --out curves.png

Without --keys: the loss and the accuracies that the logs have. A resumed run's logs are joined;
what was logged twice counts as logged last.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from mmpointvideo.engine.options import one_line_errors
from mmpointvideo.utils.logs import read_scalars
from mmpointvideo.visualization.render import plain_texts

DEFAULT_KEYS = ('loss', 'accuracy', 'video_acc', 'mIoU')
_NO_VALUES = {'epoch', 'iter', 'step', 'time', 'data_time', 'lr', 'memory'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', type=Path, nargs='+')
    parser.add_argument('--keys', nargs='+', help='values to show')
    parser.add_argument('--out', type=Path, help='draw the curves into this file (.png, .svg, ...)')
    return parser.parse_args(argv)


def read_run(work_dir: Path) -> dict[str, dict[float, float]]:
    """Every logged value of a run over epochs, ``{name: {epoch: value}}``.

    Training values have fractional epochs (iterations over iterations of an epoch); validations
    the number of epochs done. The seconds of an iteration are under ``time``.

    Raises:
        FileNotFoundError: If there are no logs.
        ValueError: If one is damaged.
    """
    paths = sorted(work_dir.glob('**/vis_data/scalars.json'))
    if not paths:
        raise FileNotFoundError(f'{work_dir}: no logs (expected TIME/vis_data/scalars.json)')
    entries = [entry for path in paths for entry in read_scalars(path)]
    train = [entry for entry in entries if 'lr' in entry and 'epoch' in entry and 'iter' in entry]
    per_epoch = max((e['iter'] / e['epoch'] for e in train), default=1.0)
    curves: dict[str, dict[float, float]] = {}
    for entry in entries:
        if 'lr' in entry and 'iter' in entry:
            epoch = entry['iter'] / per_epoch
        else:  # a validation, or what a hook reports after one
            epoch = float(entry.get('epoch', entry.get('step', 0)))
        names = set(entry) - (_NO_VALUES - {'time'} if 'lr' in entry else _NO_VALUES)
        for name in names:
            if isinstance(entry[name], int | float):
                curves.setdefault(name, {})[epoch] = float(entry[name])
    curves.setdefault('iterations per epoch', {})[0] = per_epoch
    return curves


def summary(name: str, curves: dict[str, dict[float, float]], keys: list[str]) -> str:
    """Last, lowest and highest value of every key, and the time of an epoch."""
    lines = [name]
    for key in keys:
        curve = curves.get(key)
        if curve:
            low, high = min(curve, key=lambda e: curve[e]), max(curve, key=lambda e: curve[e])
            lines.append(
                f'  {key}: last {curve[max(curve)]:.4g} (epoch {max(curve):g}), '
                f'lowest {curve[low]:.4g} ({low:.4g}), highest {curve[high]:.4g} ({high:.4g})'
            )
    if 'time' in curves:
        iteration = statistics.median(curves['time'].values())
        epoch = iteration * curves['iterations per epoch'][0]
        lines.append(f'  time: {iteration:.3f} s an iteration, {epoch:.1f} s an epoch (median)')
    return '\n'.join(lines)


def draw(runs: dict[str, dict[str, dict[float, float]]], keys: list[str], path: Path) -> None:
    """One panel a key, one curve a run."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('--out needs Matplotlib: pip install matplotlib') from error
    figure = Figure(figsize=(7, 2.4 * len(keys) + 0.6))
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for axes, key in zip(panels, keys, strict=True):
        for k, (name, curves) in enumerate(runs.items()):
            points = sorted(curves.get(key, {}).items())
            if points:
                marker = '.' if len(points) < 30 else None
                axes.plot(*zip(*points, strict=True), f'C{k}', marker=marker, label=name)
        axes.set_ylabel(key)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel('epoch')
    panels[0].legend(fontsize='small')
    plain_texts(figure)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> int:
    """Print and draw."""
    args = parse_args(argv)
    runs = {str(work_dir): read_run(work_dir) for work_dir in args.work_dirs}
    known = sorted({name for curves in runs.values() for name in curves} - {'iterations per epoch'})
    keys = args.keys or [key for key in DEFAULT_KEYS if key in known]
    missing = [key for key in keys if key not in known]
    if missing or not keys:
        print(f'error: no {missing or "values"} in these logs; there are {known}', file=sys.stderr)
        return 1
    for name, curves in runs.items():
        print(summary(name, curves, keys))
    if args.out is not None:
        draw(runs, keys, args.out)
        print(f'curves: {args.out}')
    return 0


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
