"""Generate the built-in scene data set: streets of a simulated city in SYNTHIA's raw layout.

    python tools/dataset_converters/make_builtin_streets.py --out-dir data/builtin_streets --convert

Every street is a block of its own; training and test streets come from different seeds. The raw
sequences lie below OUT_DIR/raw; with --convert they go through the converter of the real data and
are removed then, unless --keep-raw. An interrupted run continues where it stopped, and one with
the same options leaves everything as it is.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    finish_conversion,
    format_summary,
    run_jobs,
)
from mmpointvideo.datasets.conversion.streets import STREET_SPLITS, make_street, street_name
from mmpointvideo.datasets.conversion.synthia import SceneSampling, write_synthia_annotations
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.engine.options import (
    non_negative_int,
    one_line_errors,
    positive_float,
    positive_int,
)
from mmpointvideo.utils.atomic import write_json


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out-dir', type=Path, default=Path('data/builtin_streets'))
    parser.add_argument('--num-train-streets', type=non_negative_int, default=32)
    parser.add_argument('--num-test-streets', type=non_negative_int, default=8)
    parser.add_argument(
        '--frames', type=positive_int, default=24, help='frames of every street, at 5 Hz'
    )
    parser.add_argument(
        '--size', type=positive_int, nargs=2, default=(256, 152), metavar=('W', 'H'),
        help='size of each of the four images',
    )  # fmt: skip
    parser.add_argument('--seed', type=non_negative_int, default=0)
    parser.add_argument('--convert', action='store_true', help='make frame stores')
    parser.add_argument('--keep-raw', action='store_true', help='keep the raw sequences as well')
    parser.add_argument(
        '--num-points', type=positive_int, default=8192, help='points kept of a frame'
    )
    parser.add_argument(
        '--downsample', type=positive_float, default=3.0,
        help='one of so many points is kept before furthest point sampling',
    )  # fmt: skip
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
    args = parser.parse_args(argv)
    if args.num_train_streets + args.num_test_streets < 1 or min(args.size) < 2:
        parser.error('expected at least one street and images of 2 x 2 pixels')
    return args


def main(argv: list[str] | None = None) -> int:
    """Generate; returns the exit status: 1 if any street failed."""
    args = parse_args(argv)
    started = time.perf_counter()
    counts = dict(zip(STREET_SPLITS, (args.num_train_streets, args.num_test_streets), strict=True))
    streets = [(split, index) for split in STREET_SPLITS for index in range(counts[split])]
    splits = {street_name(split, index): split for split, index in streets}
    sampling = SceneSampling(args.num_points, downsample=args.downsample, seed=args.seed)
    raw_dir = args.out_dir / 'raw'
    raw_dir.mkdir(parents=True, exist_ok=True)
    jobs = []
    for split, index in streets:
        name = street_name(split, index)
        # the seed's second number keeps the streets of the two splits apart
        seed = [args.seed, STREET_SPLITS.index(split), index]
        width, height = args.size
        recipe = dict(seed=seed, num_frames=args.frames, width=width, height=height)
        store = args.out_dir / 'videos' / f'{name}{SUFFIX}' if args.convert else None
        options = dict(recipe=recipe, sampling=sampling, keep_raw=args.keep_raw)
        jobs.append(ConversionJob(name, make_street, (raw_dir / name, store), options))
    print(f'{len(jobs)} streets of {args.frames} frames to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir)
    if any(raw_dir.iterdir()):
        write_json(raw_dir / 'splits.json', splits)
    else:
        raw_dir.rmdir()
    source = 'builtin_streets'

    def write(kept: list[VideoReport]) -> None:
        names = [report.video_id for report in kept]
        write_synthia_annotations(args.out_dir, names, splits, source)

    if args.convert:
        annotations = args.out_dir / 'annotations.json'
        finish_conversion(reports, annotations, write, started, source=source)
    else:
        print(format_summary(reports))
    return int(any(report.status == 'dropped' for report in reports))


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
