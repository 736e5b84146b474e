"""Make the built-in data set: procedural actions before a simulated depth camera.

    python tools/dataset_converters/make_builtin_actions.py --convert

writes raw videos in the format of MSR-Action3D (OUT/raw/aAA_sSS_eEE_sdepth.bin) and converts each
of them, as those of MSR-Action3D are, to OUT/videos/aAA_sSS_eEE.pvs; a converted raw video is
removed unless --keep-raw is given. Without --convert the raw videos stay (0.3 MB a frame), for
tools/dataset_converters/msr_action3d.py OUT/raw OUT. An interrupted run continues where it
stopped. As in MSR-Action3D subjects 1 to 5 are for training, 6 to 10 for testing.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    finish_conversion,
    format_summary,
    run_jobs,
)
from mmpointvideo.datasets.conversion.actions import BuiltinSettings, make_builtin_video, video_name
from mmpointvideo.engine.options import non_negative_int, one_line_errors, positive_int
from mmpointvideo.simulation.actions import ACTION_CLASSES
from mmpointvideo.utils.atomic import atomic_write

BYTES_PER_FRAME = 4 * 320 * 240


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out-dir', type=Path, default=Path('data/builtin_actions'))
    parser.add_argument('--num-subjects', type=positive_int, default=10)
    parser.add_argument(
        '--takes', type=positive_int, default=2, help='performances a subject and action'
    )
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument(
        '--frames-range', type=positive_int, nargs=2, default=(28, 44), metavar=('FEWEST', 'MOST')
    )
    parser.add_argument('--noise', choices=('kinect', 'none'), default='kinect')
    parser.add_argument('--convert', action='store_true', help='also make stores and annotations')
    parser.add_argument(
        '--keep-raw', action='store_true', help='with --convert: keep the raw videos'
    )
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
    args = parser.parse_args(argv)
    for name in ('num_subjects', 'takes'):
        if getattr(args, name) > 99:
            option = '--' + name.replace('_', '-')
            parser.error(f'{option}: expected 1..99, got {getattr(args, name)}')
    return args


def check_space(args: argparse.Namespace, num_videos: int) -> None:
    """Say how much the raw videos take, and stop if they do not fit.

    Raises:
        OSError: If the disk has less space than that.
    """
    if args.convert and not args.keep_raw:
        return
    frames = num_videos * sum(args.frames_range) / 2
    there = sum(path.stat().st_size for path in (args.out_dir / 'raw').glob('*.bin'))
    need, free = frames * BYTES_PER_FRAME - there, shutil.disk_usage(args.out_dir).free
    print(f'The raw videos take about {frames * BYTES_PER_FRAME / 1e9:.1f} GB.')
    if need > free:
        raise OSError(
            f'{args.out_dir}: expected {need / 1e9:.1f} GB of free space, got {free / 1e9:.1f}; '
            'use --convert without --keep-raw, or fewer subjects or takes'
        )


def annotate(report: VideoReport, label: int, subject: int, take: int) -> dict[str, Any]:
    """The entry of the annotation file."""
    return dict(
        video_id=report.video_id,
        video_path=f'videos/{report.video_id}.pvs',
        num_frames=report.num_frames,
        gt_label=label,
        subject=subject,
        take=take,
    )


def main(argv: list[str] | None = None) -> int:
    """Make the data set; returns the exit status."""
    args = parse_args(argv)
    started = time.perf_counter()
    settings = BuiltinSettings(args.seed, *args.frames_range, args.noise)
    videos = {
        video_name(label, subject, take): (label, subject, take)
        for label in range(len(ACTION_CLASSES))
        for subject in range(1, args.num_subjects + 1)
        for take in range(1, args.takes + 1)
    }
    (args.out_dir / 'raw').mkdir(parents=True, exist_ok=True)
    check_space(args, len(videos))
    with atomic_write(args.out_dir / 'raw' / 'classes.txt', 'w') as file:
        file.write('\n'.join(ACTION_CLASSES) + '\n')
    options = dict(settings=settings, convert=args.convert, keep_raw=args.keep_raw)
    jobs = [
        ConversionJob(name, make_builtin_video, (args.out_dir, *video), options)
        for name, video in videos.items()
    ]
    print(
        f'{len(jobs)} videos of {len(ACTION_CLASSES)} actions by {args.num_subjects} subjects '
        f'to {args.out_dir}'
    )
    reports = run_jobs(jobs, args.workers, args.out_dir)
    annotations = args.out_dir / 'annotations.json'

    def write(kept: list[VideoReport]) -> None:
        metainfo = dict(
            dataset_type='MSRAction3DDataset',
            task='action_recognition',
            classes=list(ACTION_CLASSES),
            source='builtin',
        )
        entries = [annotate(report, *videos[report.video_id]) for report in kept]
        write_annotations(annotations, metainfo, entries)

    if args.convert:
        finish_conversion(reports, annotations, write, started, source='builtin')
    else:
        print(format_summary(reports))
    if any(report.status == 'dropped' for report in reports):
        print('error: the data set is not complete', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
