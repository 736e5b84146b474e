"""Convert NTU RGB+D 60 or 120 to frame stores and one annotation file.

    python tools/dataset_converters/ntu_rgbd.py SRC OUT_DIR --workers 16
    python tools/dataset_converters/ntu_rgbd.py SRC OUT_DIR --shard 3/16

SRC holds, at any depth, folders S001C001P001R001A001 of masked depth images
(MDepth-00000001.png, ...), published point clouds (S001C001P001R001A001.npz) or skeletons
(S001C001P001R001A001.skeleton), whose depth is simulated. One frame is in memory at a time.

An interrupted run continues where it stopped. With --shard, machines share the work: which video
belongs to which shard depends on its name alone. The last shard to finish merges the annotation
files; where shards have folders of their own, put them together and run --merge.
"""

import argparse
import os
import re
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmpointvideo.datasets.annotations import read_annotations, write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    convert_ntu_depth,
    convert_ntu_npz,
    convert_ntu_skeleton,
    finish_conversion,
    run_jobs,
    walk_folders,
)
from mmpointvideo.datasets.conversion.simulated import NOISES, check_noise
from mmpointvideo.datasets.ntu_rgbd_facts import (
    CLASSES,
    describe_video,
    parse_name,
    read_video_list,
)
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.engine.options import one_line_errors, positive_int

FUNCTIONS: dict[str, Callable[..., VideoReport]] = {
    'depth': convert_ntu_depth,
    'npz': convert_ntu_npz,
    'skeleton': convert_ntu_skeleton,
}
NAME = re.compile(r'(S\d{3}C\d{3}P\d{3}R\d{3}A\d{3})(.*)', re.IGNORECASE)
SHARDS = 'shards'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder with the videos')
    parser.add_argument('out_dir', type=Path, help='becomes the data root')
    parser.add_argument('--source', choices=('auto', *FUNCTIONS), default='auto')
    parser.add_argument(
        '--noise', choices=NOISES, default='none', help='of the simulated sensor, for skeletons'
    )
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
    parser.add_argument('--shard', type=parse_shard, default=(1, 1), metavar='I/N')
    parser.add_argument(
        '--list', type=Path, help='list with NAME FRAMES a line to compare with (plain or .gz)'
    )
    parser.add_argument(
        '--merge', action='store_true', help='convert nothing, merge the shards of OUT_DIR'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='convert again what is there already'
    )
    args = parser.parse_args(argv)
    if args.merge:
        for name in ('source', 'noise', 'shard', 'list', 'overwrite'):
            if getattr(args, name) != parser.get_default(name):
                parser.error(f'--{name}: for converting, and --merge converts nothing')
    return args


def parse_shard(text: str) -> tuple[int, int]:
    """``'3/16'`` as (3, 16); shards count from 1."""
    match = re.fullmatch(r'(\d+)/(\d+)', text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f'expected I/N with I in 1..N, such as 3/16, got {text!r}')
    return int(match[1]), int(match[2])


def find_sources(src: Path) -> dict[str, dict[str, Path]]:
    """Videos by kind and name, links followed; folders of images are not looked into.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If a video is there twice.
    """
    if not src.is_dir():
        raise FileNotFoundError(f'{src}: no such folder')
    found: dict[str, dict[str, Path]] = {kind: {} for kind in FUNCTIONS}

    def add(kind: str, name: str, path: Path) -> None:
        if name in found[kind]:
            raise ValueError(f'video {name} is there twice: {found[kind][name]} and {path}')
        found[kind][name] = path

    for folder, folders, files in walk_folders(src):
        for name in list(folders):
            match = NAME.fullmatch(name)
            if match and not match[2]:
                folders.remove(name)
                add('depth', name.upper(), Path(folder) / name)
        for name in files:
            match = NAME.fullmatch(name)
            if match and match[2].lower() in ('.npz', '.skeleton'):
                add(match[2][1:].lower(), match[1].upper(), Path(folder) / name)
    return found


def drop_odd_names(videos: dict[str, Path]) -> list[VideoReport]:
    """Take out the videos whose names are none of NTU RGB+D's; their reports."""
    reports = []
    for name in sorted(videos):
        try:
            parse_name(name)
        except ValueError as error:
            del videos[name]
            reports.append(VideoReport(name, status='dropped', reason=str(error)))
    return reports


def choose_source(found: dict[str, dict[str, Path]], wanted: str) -> str:
    """Which kind is converted.

    Raises:
        ValueError: If there is nothing, or several kinds and none was asked for.
    """
    kinds = [kind for kind, videos in found.items() if videos and wanted in ('auto', kind)]
    if len(kinds) != 1:
        raise ValueError(
            f'expected videos of one kind ({", ".join(FUNCTIONS)}), found {kinds or "none"}; '
            'choose with --source'
        )
    return kinds[0]


def shard_of(name: str, shards: int) -> int:
    """The shard, 1 to ``shards``, that a video belongs to, wherever this runs."""
    return zlib.crc32(name.encode()) % shards + 1


def annotation_file(out_dir: Path, shard: tuple[int, int]) -> Path:
    """Annotation file of a shard; of the only one, that of the data set."""
    if shard == (1, 1):
        return out_dir / 'annotations.json'
    return out_dir / SHARDS / f'annotations-{shard[0]:03d}-of-{shard[1]:03d}.json'


def merge(out_dir: Path, shards: int | None = None) -> int:
    """Write ``annotations.json`` if all shards' files are there; how many are missing.

    Args:
        out_dir: The data root.
        shards: Number of shards of the run; None: that of the files that are there.

    Raises:
        ValueError: If there are no shards, shards of several runs with different numbers, or no
            shard has a video.
    """
    folder = out_dir / SHARDS
    counts = {int(path.stem.rsplit('-', 1)[1]) for path in folder.glob('annotations-*-of-*.json')}
    if shards is None:
        if len(counts) != 1:
            raise ValueError(
                f'{folder}: expected the files of one run, found runs of {sorted(counts)} shards; '
                'delete those of the others, *-of-NNN.json'
            )
        shards = counts.pop()
    found = sorted(folder.glob(f'annotations-*-of-{shards:03d}.json'))
    missing = shards - len(found)
    if missing:
        return missing
    videos: list[dict[str, Any]] = []
    metainfo: dict[str, Any] = {}
    for path in found:
        content = read_annotations(path)
        videos += content['data_list']
        if len(content['metainfo']['classes']) > len(metainfo.get('classes', ())):
            metainfo = content['metainfo']
    if not videos:
        raise ValueError(f'{folder}: no shard has a video')
    write_annotations(out_dir / 'annotations.json', metainfo, videos)
    print(f'{len(videos)} videos of {len(found)} shards: {out_dir / "annotations.json"}')
    return 0


def compare_with_list(
    reports: Sequence[VideoReport], path: Path, shard: tuple[int, int]
) -> dict[str, list[str]]:
    """Videos of a list that are missing here, and those with another number of frames."""
    listed = {
        name: frames
        for name, frames in read_video_list(path).items()
        if shard_of(name, shard[1]) == shard[0]
    }
    have = {report.video_id: report.num_frames for report in reports if report.num_frames}
    missing = [name for name in listed if name not in have]
    other = [f'{n}: {have[n]} frames, listed {f}' for n, f in listed.items() if have.get(n, f) != f]
    for what, names in (('missing', missing), ('of another length', other)):
        more = ' ...' if len(names) > 5 else ''
        print(
            f'{len(names)} of {len(listed)} listed videos are {what}. {", ".join(names[:5])}{more}'
        )
    return dict(missing=missing, other_length=other)


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 only if nothing could be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    if args.merge:
        missing = merge(args.out_dir)
        if missing:
            print(f'error: {missing} shards are missing', file=sys.stderr)
        return int(missing > 0)
    found = find_sources(args.src)
    kind = choose_source(found, args.source)
    check_noise(args.noise, kind)
    if args.list is not None:
        read_video_list(args.list)  # an error before the work
    number, shards = args.shard
    odd = [r for r in drop_odd_names(found[kind]) if shard_of(r.video_id, shards) == number]
    names = sorted(name for name in found[kind] if shard_of(name, shards) == number)
    options: dict[str, Any] = dict(overwrite=args.overwrite)
    if kind == 'skeleton':
        options['noise'] = args.noise
    videos = args.out_dir / 'videos'
    jobs = [
        ConversionJob(
            name, FUNCTIONS[kind], (found[kind][name], videos / f'{name}{SUFFIX}'), options
        )
        for name in names
    ]
    print(f'{len(jobs)} of {len(found[kind])} {kind} videos from {args.src} to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir, args.shard) + odd
    speed = len(reports) / (time.perf_counter() - started)
    print(f'{speed:.2f} videos a second, {args.workers} workers.')
    annotations = annotation_file(args.out_dir, args.shard)

    def write(kept: list[VideoReport]) -> None:
        entries = [
            describe_video(r.video_id, r.num_frames, f'videos/{r.video_id}{SUFFIX}') for r in kept
        ]
        large = any(entry['gt_label'] >= 60 for entry in entries)
        metainfo = dict(
            dataset_type='NTURGBDDataset',
            task='action_recognition',
            classes=list(CLASSES if large else CLASSES[:60]),
            source=kind,
        )
        write_annotations(annotations, metainfo, entries)

    extra: dict[str, Any] = dict(source=kind, src=args.src.name)
    if args.list is not None:
        extra['list'] = compare_with_list(reports, args.list, args.shard)
    kept = finish_conversion(reports, annotations, write, started, shard=shards > 1, **extra)
    if shards > 1:
        missing = merge(args.out_dir, shards)
        if missing:
            print(f'{missing} of {shards} shards are not finished')
        if not reports:  # few videos, many shards
            return 0
    return 0 if kept else 1


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
