"""Convert your own point cloud videos to frame stores and one annotation file.

    python tools/dataset_converters/point_folders.py SRC CSV OUT_DIR

Every video is a folder below SRC with one PLY, PCD, NPY or BIN file a frame, sorted naturally by
name. The CSV file has the columns video (the folder's name), label (a class name or number, empty
if unknown) and split (train, test, ...); other columns are kept. A file classes.txt in SRC fixes
the order of the classes, otherwise they are sorted. An interrupted run continues where it stopped.
"""

import argparse
import csv
import io
import os
import re
import sys
import time
from pathlib import Path, PurePosixPath

from mmpointvideo.datasets.annotations import read_class_names, write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    convert_point_folder,
    natural_key,
    print_summary,
    report_to_json,
    run_jobs,
)
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.utils.atomic import write_json

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
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
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


def read_classes(src: Path, rows: list[dict[str, str]]) -> list[str]:
    """The classes: ``classes.txt`` if there, else the labels, sorted naturally.

    Raises:
        ValueError: If a label is not in ``classes.txt``.
    """
    labels = sorted({row['label'] for row in rows if row['label']}, key=natural_key)
    path = src / 'classes.txt'
    if not path.is_file():
        return labels
    classes = read_class_names(path)
    unknown = [label for label in labels if label not in classes]
    if unknown:
        raise ValueError(f'labels {unknown[:10]} are not in {path}')
    return classes


def numbers(rows: list[dict[str, str]]) -> list[str]:
    """Further columns that hold integers only."""
    others = [key for key in (rows[0] if rows else {}) if key not in NEEDED]
    return [key for key in others if all(INTEGER.fullmatch(row[key]) for row in rows)]


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 only if nothing could be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    try:
        if not args.src.is_dir():
            raise FileNotFoundError(f'{args.src}: no such folder')
        rows = read_table(args.csv)
        classes = read_classes(args.src, rows)
    except csv.Error as error:
        print(f'error: {args.csv}: {error}', file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    options = dict(
        channels=args.channels, columns=args.columns, unit=args.unit, overwrite=args.overwrite
    )
    jobs = []
    for row in rows:
        store = args.out_dir / 'videos' / f'{row["video"]}{SUFFIX}'
        folder = args.src / row['video']
        jobs.append(ConversionJob(row['video'], convert_point_folder, (folder, store), options))
    print(f'{len(jobs)} videos from {args.src} to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir / 'videos')
    listed = {PurePosixPath(row['video']).parts[0] for row in rows}
    reports += [
        VideoReport(path.name, status='dropped', reason=f'not in {args.csv.name}')
        for path in sorted(args.src.iterdir())
        if path.is_dir() and path.name not in listed
    ]
    seconds = time.perf_counter() - started
    kept = {report.video_id: report for report in print_summary(reports)}
    if not kept:
        return 1
    integers = numbers(rows)
    videos = []
    for row in rows:
        if row['video'] not in kept:
            continue
        others = {
            key: int(value) if key in integers else value
            for key, value in row.items()
            if key not in NEEDED
        }
        videos.append(
            dict(
                others,
                video_id=row['video'],
                video_path=f'videos/{row["video"]}{SUFFIX}',
                num_frames=kept[row['video']].num_frames,
                split=row['split'],
                **(dict(gt_label=classes.index(row['label'])) if row['label'] else {}),
            )
        )
    metainfo = dict(
        dataset_type='PointVideoFolderDataset', task='action_recognition', classes=classes
    )
    write_annotations(args.out_dir / 'annotations.json', metainfo, videos)
    report = report_to_json(reports, source='points', seconds=round(seconds, 1))
    write_json(args.out_dir / 'conversion_report.json', report)
    print(f'{seconds:.0f} s. Annotations: {args.out_dir / "annotations.json"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
