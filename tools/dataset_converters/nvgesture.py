"""Convert NvGesture to frame stores and one annotation file.

    python tools/dataset_converters/nvgesture.py SRC OUT_DIR

SRC holds Video_data/class_01/subject13_r0/sk_depth.avi, ... and the official lists
nvgesture_train_correct_cvpr2016_v2.lst and nvgesture_test_correct_cvpr2016_v2.lst. 32 evenly
spaced frames of a gesture are segmented (Otsu's threshold, largest region, one erosion) and
stored as points (u, v, d). An interrupted run continues where it stopped.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    convert_nvgesture,
    print_summary,
    report_to_json,
    run_jobs,
)
from mmpointvideo.datasets.formats.nvgesture import NUM_CLASSES, GestureEntry, read_gesture_list
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.utils.atomic import write_json

LISTS = {split: f'nvgesture_{split}_correct_cvpr2016_v2.lst' for split in ('train', 'test')}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder with Video_data and the lists')
    parser.add_argument('out_dir', type=Path, help='becomes the data root')
    parser.add_argument('--frames', type=int, default=32, help='frames kept of a gesture')
    parser.add_argument(
        '--foreground',
        choices=('bright', 'dark'),
        default='bright',
        help="the hand's side of the threshold",
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument(
        '--overwrite', action='store_true', help='convert again what is there already'
    )
    return parser.parse_args(argv)


def read_lists(src: Path) -> dict[str, tuple[str, GestureEntry]]:
    """Split and entry of every video of both lists.

    Raises:
        FileNotFoundError: If a list is missing.
        ValueError: If a line is wrong, or a video is in both.
    """
    entries: dict[str, tuple[str, GestureEntry]] = {}
    for split, name in LISTS.items():
        for entry in read_gesture_list(src / name):
            if entry.video_id in entries:
                raise ValueError(f'{src / name}: {entry.video_id} is in both lists')
            entries[entry.video_id] = split, entry
    return entries


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 only if nothing could be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    try:
        entries = read_lists(args.src)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    jobs = []
    for name, (_, entry) in entries.items():
        options: dict[str, Any] = dict(
            start=entry.start,
            stop=entry.stop,
            num_frames=args.frames,
            foreground=args.foreground,
            overwrite=args.overwrite,
        )
        paths = args.src / entry.video, args.out_dir / 'videos' / f'{name}{SUFFIX}'
        jobs.append(ConversionJob(name, convert_nvgesture, paths, options))
    print(f'{len(jobs)} gestures from {args.src} to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir / 'videos')
    seconds = time.perf_counter() - started
    kept = print_summary(reports)
    if not kept:
        return 1
    videos = []
    for report in kept:
        split, entry = entries[report.video_id]
        videos.append(
            dict(
                video_id=report.video_id,
                video_path=f'videos/{report.video_id}{SUFFIX}',
                num_frames=report.num_frames,
                gt_label=entry.label,
                subject=entry.subject,
                split=split,
            )
        )
    # the lists number the gestures and do not name them
    metainfo = dict(
        dataset_type='NvGestureDataset',
        task='gesture_recognition',
        classes=[f'gesture {k + 1}' for k in range(NUM_CLASSES)],
    )
    write_annotations(args.out_dir / 'annotations.json', metainfo, videos)
    report = report_to_json(reports, src=args.src.name, seconds=round(seconds, 1))
    write_json(args.out_dir / 'conversion_report.json', report)
    counts = {split: sum(video['split'] == split for video in videos) for split in LISTS}
    print(f'{counts["train"]} training and {counts["test"]} test videos, {seconds:.0f} s.')
    print(f'Annotations: {args.out_dir / "annotations.json"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
