"""Check a data set before training on it.

    python tools/misc/verify_dataset.py data/msr_action3d
    python tools/misc/verify_dataset.py --config configs/...py

Checks that files are there, frame counts match, checksums hold; prints labels by split or subject,
frames, points and extents. The exit status is 1 if anything is wrong.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.registry import init_default_scope

from mmpointvideo.datasets.annotations import read_annotations
from mmpointvideo.datasets.verification import (
    find_ann_file,
    format_dataset_summary,
    verify_dataset,
)
from mmpointvideo.engine.options import leaf_datasets, load_config, one_line_errors
from mmpointvideo.registry import DATASETS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('path', nargs='*', type=Path, help='annotation file or data root')
    parser.add_argument('--config', type=Path, help='check the data sets of a config')
    parser.add_argument(
        '--fast', action='store_true', help='checksums only: decode nothing, show no extents'
    )
    args = parser.parse_args(argv)
    if not args.path and args.config is None:
        parser.error('expected a data set or --config')
    return args


Readers = dict[Path, Callable[[Path], dict[str, Any]]]


def check_config(path: Path) -> tuple[Readers, list[str], list[str]]:
    """Annotation files that a config names, each with the function of its data set that reads it;
    one line a data set; what failed.
    """
    cfg = load_config(path)
    init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
    files: Readers = {}
    lines: list[str] = []
    failures: list[str] = []
    named = 0
    for phase in ('train', 'val', 'test'):
        loader = cfg.get(f'{phase}_dataloader')
        if loader is None:
            continue
        leaves = list(leaf_datasets(loader['dataset']))
        named += len(leaves)
        try:
            for leaf in leaves:
                file = find_ann_file(Path(leaf.get('data_root') or '') / leaf['ann_file'])
                reader = DATASETS.build(dict(leaf, pipeline=[], lazy_init=True))
                read = getattr(reader, 'read_annotations', read_annotations)
                files.setdefault(file, read)
            built = DATASETS.build(loader['dataset'])
            lines.append(f'{phase}: {len(built)} clips; the first one passes the pipeline')
            built[0]
        except Exception as error:  # any error here is what the user wants to hear about
            failures.append(f'{phase} data set: {type(error).__name__}: {error}')
    if not named:
        failures.append(f'{path}: no data set with an ann_file')
    return files, lines, failures


def main(argv: list[str] | None = None) -> int:
    """Check; returns the exit status."""
    args = parse_args(argv)
    files: Readers = {}
    lines: list[str] = []
    failures: list[str] = []
    if args.config is not None:
        files, lines, failures = check_config(args.config)
    for path, read in ({path: read_annotations for path in args.path} | files).items():
        summary = verify_dataset(path, fast=args.fast, read=read)
        print(format_dataset_summary(summary), end='\n\n')
        failures += summary.failures
    for line in lines:
        print(line)
    if failures:
        print(f'{len(failures)} failures:', file=sys.stderr)
        print('\n'.join(f'  {text}' for text in failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
