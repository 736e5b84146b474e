"""Convert your own point cloud videos to frame stores and one annotation file.

    python tools/dataset_converters/point_folders.py SRC CSV OUT_DIR

Every video is a folder below SRC with one PLY, PCD, NPY or BIN file a frame, sorted naturally by
name, and by value where all names are numbers. The CSV file has the columns video (the folder's
name), label (empty if unknown) and split (train, test, ...); other columns are kept. With a file
classes.txt in SRC, one name a line, a label is a name or its number, from 0; only a name where
names are numbers themselves. Without it the labels are the classes, sorted: numbers 0 to n-1 stay
what they are. An interrupted run continues where it stopped.
"""

import argparse
import csv
import io
import os
import re
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any

from mmpointvideo.datasets.annotations import read_class_names, write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    convert_point_folder,
    finish_conversion,
    frame_files,
    natural_key,
    run_jobs,
)
from mmpointvideo.datasets.formats import has_own_names
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.engine.options import one_line_errors, positive_int

NEEDED = ('video', 'label', 'split')
INTEGER = re.compile(r'-?[0-9]{1,18}')
RESERVED = ('video_id', 'video_path', 'num_frames', 'gt_label')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder with one folder a video')
    parser.add_argument('csv', type=Path, help='table of videos, labels and splits')
    parser.add_argument('out_dir', type=Path, help='becomes the data root')
    parser.add_argument(
        '--channels', nargs='*', default=[], help='per-point values to keep, e.g. label rgb'
    )
    parser.add_argument(
        '--columns', nargs='*', help='columns of NPY (x y z) or BIN (x y z intensity) files'
    )
    parser.add_argument('--unit', default='', help='name of the unit, e.g. m')
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='convert again what is there already'
    )
    return parser.parse_args(argv)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of the CSV file, checked.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming the line that is wrong.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: expected a table in UTF-8: {error}') from None
    with io.StringIO(text, newline='') as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or [])
        if not set(NEEDED) <= set(columns) or set(columns) & set(RESERVED):
            raise ValueError(
                f'{path}: expected columns {NEEDED}, and none of {RESERVED}, got {columns}'
            )
        if len(set(columns)) < len(columns):
            raise ValueError(f'{path}: expected columns of different names, got {columns}')
        rows, seen = [], set()
        for row in reader:
            where = f'{path}, line {reader.line_num}'
            if None in row or None in row.values():
                raise ValueError(f'{where}: expected {len(columns)} values')
            row = {key: value.strip() for key, value in row.items()}
            folder = PurePosixPath(row['video'])
            odd = folder.is_absolute() or '..' in folder.parts or '\\' in row['video']
            if odd or not folder.parts:
                raise ValueError(f'{where}: expected the name of a folder, got {row["video"]!r}')
            row['video'] = str(folder)  # 'a/' and './a' are 'a'
            if not row['split']:
                raise ValueError(f'{where}: the split is empty')
            if row['video'] in seen:
                raise ValueError(f'{where}: video {row["video"]!r} occurs twice')
            seen.add(row['video'])
            rows.append(row)
    return rows


def read_classes(src: Path, rows: list[dict[str, str]]) -> tuple[list[str], dict[str, int]]:
    """Names of the classes, and the number of each label in the table.

    Raises:
        ValueError: If a label is neither in ``classes.txt`` nor the number of a name in it; where
            a name is a number, labels may be names only.
    """
    labels = sorted({row['label'] for row in rows if row['label']}, key=natural_key)
    path = src / 'classes.txt'
    # without the file 0 .. n-1 sort to their own places
    classes = read_class_names(path) if path.is_file() else labels
    numbers = {name: number for number, name in enumerate(classes)}
    wanted = 'names in it, as some of these are numbers'
    if not any(INTEGER.fullmatch(name) for name in classes):
        numbers |= {str(number): number for number in range(len(classes))}
        wanted = f'names in it or numbers in 0..{len(classes) - 1}'
    unknown = [label for label in labels if label not in numbers]
    if unknown:
        raise ValueError(f'{path}: expected labels that are {wanted}, got {unknown[:10]}')
    return classes, {label: numbers[label] for label in labels}


def check_columns(src: Path, rows: list[dict[str, str]]) -> None:
    """Refuse ``--columns`` where the first file that can be read has names of its own.

    Raises:
        ValueError: If it has.
    """
    for row in rows:
        try:
            file = frame_files(src / row['video'])[0]
            named = has_own_names(file)
        except (OSError, ValueError):  # the video's report says it
            continue
        if named:
            raise ValueError(
                f'--columns: names the columns of BIN and plain NPY files, but {file} has names '
                'of its own: leave it out'
            )
        return


def annotate(
    report: VideoReport, row: dict[str, str], integers: list[str], label: int | None
) -> dict[str, Any]:
    """The entry of the annotation file; a row's further columns become fields."""
    others = {
        key: int(value) if key in integers else value
        for key, value in row.items()
        if key not in NEEDED
    }
    entry = dict(
        others,
        video_id=row['video'],
        video_path=f'videos/{row["video"]}{SUFFIX}',
        num_frames=report.num_frames,
        split=row['split'],
    )
    return entry if label is None else dict(entry, gt_label=label)


def numbers(rows: list[dict[str, str]]) -> list[str]:
    """Further columns that hold integers only."""
    others = [key for key in (rows[0] if rows else {}) if key not in NEEDED]
    return [key for key in others if all(INTEGER.fullmatch(row[key]) for row in rows)]


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 only if nothing could be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    if not args.src.is_dir():
        raise FileNotFoundError(f'{args.src}: no such folder')
    try:
        rows = read_table(args.csv)
    except csv.Error as error:
        raise ValueError(f'{args.csv}: {error}') from None
    classes, labels = read_classes(args.src, rows)
    if args.columns:
        check_columns(args.src, rows)
    options = dict(
        channels=args.channels, columns=args.columns, unit=args.unit, overwrite=args.overwrite
    )
    jobs = []
    for row in rows:
        store = args.out_dir / 'videos' / f'{row["video"]}{SUFFIX}'
        folder = args.src / row['video']
        jobs.append(ConversionJob(row['video'], convert_point_folder, (folder, store), options))
    print(f'{len(jobs)} videos from {args.src} to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir)
    listed = {PurePosixPath(row['video']).parts[0] for row in rows}
    reports += [
        VideoReport(path.name, status='dropped', reason=f'not in {args.csv.name}')
        for path in sorted(args.src.iterdir())
        if path.is_dir() and path.name not in listed
    ]
    by_name = {row['video']: row for row in rows}
    integers = numbers(rows)
    metainfo = dict(
        dataset_type='PointVideoFolderDataset', task='action_recognition', classes=classes
    )
    annotations = args.out_dir / 'annotations.json'

    def write(kept: list[VideoReport]) -> None:
        entries = []
        for report in kept:
            row = by_name[report.video_id]
            entries.append(annotate(report, row, integers, labels.get(row['label'])))
        write_annotations(annotations, metainfo, entries)

    kept = finish_conversion(reports, annotations, write, started, source='points')
    return 0 if kept else 1


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
