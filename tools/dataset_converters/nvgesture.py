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
from collections import Counter
from pathlib import Path
from typing import Any

from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    convert_nvgesture,
    finish_conversion,
    run_jobs,
)
from mmpointvideo.datasets.formats.nvgesture import NUM_CLASSES, GestureEntry, read_gesture_list
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.engine.options import one_line_errors, positive_int

LISTS = {split: f'nvgesture_{split}_correct_cvpr2016_v2.lst' for split in ('train', 'test')}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder with Video_data and the lists')
    parser.add_argument('out_dir', type=Path, help='becomes the data root')
    parser.add_argument('--frames', type=positive_int, default=32, help='frames kept of a gesture')
    parser.add_argument(
        '--foreground',
        choices=('bright', 'dark'),
        default='bright',
        help="the hand's side of the threshold",
    )
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
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


def annotate(report: VideoReport, split: str, entry: GestureEntry) -> dict[str, Any]:
    """The entry of the annotation file."""
    return dict(
        video_id=report.video_id,
        video_path=f'videos/{report.video_id}{SUFFIX}',
        num_frames=report.num_frames,
        gt_label=entry.label,
        subject=entry.subject,
        split=split,
    )


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 only if nothing could be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    entries = read_lists(args.src)
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
    reports = run_jobs(jobs, args.workers, args.out_dir)
    # the lists number the gestures and do not name them
    metainfo = dict(
        dataset_type='NvGestureDataset',
        task='gesture_recognition',
        classes=[f'gesture {k + 1}' for k in range(NUM_CLASSES)],
    )
    annotations = args.out_dir / 'annotations.json'

    def write(kept: list[VideoReport]) -> None:
        videos = [annotate(report, *entries[report.video_id]) for report in kept]
        write_annotations(annotations, metainfo, videos)

    kept = finish_conversion(reports, annotations, write, started, src=args.src.name)
    splits = Counter(entries[report.video_id][0] for report in kept)
    print(f'{splits["train"]} training and {splits["test"]} test videos.')
    return 0 if kept else 1


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
