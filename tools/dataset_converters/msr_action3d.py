"""Convert MSR-Action3D to frame stores and one annotation file.

    python tools/dataset_converters/msr_action3d.py SRC OUT_DIR

SRC is a folder of raw depth videos (aAA_sSS_eEE_sdepth.bin), a folder of published point clouds
(aAA_sSS_eEE_sdepth.npz), or a folder or ZIP file of skeletons (aAA_sSS_eEE_skeleton.txt), whose
depth is simulated. An interrupted run continues where it stopped.
"""

import argparse
import os
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from mmpointvideo.datasets.annotations import read_class_names, write_annotations
from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    convert_msr_bin,
    convert_msr_npz,
    convert_msr_skeleton,
    finish_conversion,
    run_jobs,
    walk_folders,
)
from mmpointvideo.datasets.conversion.simulated import NOISES, check_noise
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.engine.options import one_line_errors, positive_int

MSR_CLASSES = (
    'high arm wave', 'horizontal arm wave', 'hammer', 'hand catch', 'forward punch',
    'high throw', 'draw x', 'draw tick', 'draw circle', 'hand clap', 'two hand wave',
    'side-boxing', 'bend', 'forward kick', 'side kick', 'jogging', 'tennis swing',
    'tennis serve', 'golf swing', 'pick up & throw',
)  # fmt: skip
FUNCTIONS: dict[str, Callable[..., VideoReport]] = {
    'bin': convert_msr_bin,
    'npz': convert_msr_npz,
    'skeleton': convert_msr_skeleton,
}
SUFFIXES = {'bin': '.bin', 'npz': '.npz', 'skeleton': '.txt'}
NAME = re.compile(r'a(\d{2})_s(\d{2})_e(\d{2})(?:_sdepth|_skeleton)?', re.IGNORECASE)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder or ZIP file with the videos')
    parser.add_argument('out_dir', type=Path, help='becomes the data root')
    parser.add_argument('--source', choices=('auto', *SUFFIXES), default='auto')
    parser.add_argument(
        '--noise', choices=NOISES, default='none', help='of the simulated sensor, for skeletons'
    )
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='convert again what is there already'
    )
    return parser.parse_args(argv)


def list_source(src: Path) -> list[str]:
    """Names of the files below a folder (links are followed) or in a ZIP file.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If it is neither a folder nor a ZIP file.
    """
    if src.is_dir():
        paths = [Path(folder) / name for folder, _, names in walk_folders(src) for name in names]
        # a link to nowhere is a video that cannot be read
        kept = [path for path in paths if path.is_file() or path.is_symlink()]
        names = [path.relative_to(src).as_posix() for path in kept]
    elif not src.exists():
        raise FileNotFoundError(f'{src}: no such folder or file')
    elif zipfile.is_zipfile(src):
        try:
            with zipfile.ZipFile(src) as archive:
                names = [info.filename for info in archive.infolist() if not info.is_dir()]
        except zipfile.BadZipFile as error:
            raise ValueError(f'{src}: not a ZIP file that can be read: {error}') from None
    else:
        raise ValueError(f'{src}: expected a folder or a ZIP file')
    return sorted(name for name in names if not PurePosixPath(name).name.startswith('.'))


def find_kind(names: Iterable[str], wanted: str) -> str:
    """Which kind of source the files are.

    Raises:
        ValueError: If there are none, or of several kinds and none was asked for.
    """
    stems: dict[str, list[str]] = {kind: [] for kind in SUFFIXES}
    for name in names:
        path = PurePosixPath(name)
        for kind, suffix in SUFFIXES.items():
            if path.suffix.lower() == suffix and (kind != 'skeleton' or NAME.match(path.stem)):
                stems[kind].append(name)
    found = [kind for kind, files in stems.items() if files]
    if wanted != 'auto':
        found = [kind for kind in found if kind == wanted]
    if len(found) != 1:
        what = f'files of one kind ({", ".join(SUFFIXES.values())})'
        raise ValueError(f'expected {what}, found {found or "none"}; choose with --source')
    return found[0]


def read_classes(src: Path) -> list[str]:
    """Names of the classes: ``classes.txt`` in the folder if there, else MSR-Action3D's 20."""
    path = src / 'classes.txt'
    if not path.is_file():
        return list(MSR_CLASSES)
    return read_class_names(path)


def make_jobs(
    args: argparse.Namespace, names: list[str], kind: str, num_classes: int
) -> tuple[list[ConversionJob], list[VideoReport]]:
    """One job a video, and reports of the files that cannot be one."""
    jobs: dict[str, ConversionJob] = {}
    dropped = []
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() != SUFFIXES[kind] or path.name == 'classes.txt':
            continue
        match = NAME.fullmatch(path.stem)
        video_id = path.stem[:11].lower()
        reason = ''
        if match is None:
            reason = 'expected a name like a01_s01_e01'
        elif not 1 <= int(match[1]) <= num_classes:
            reason = f'action {match[1]} is not one of the {num_classes} classes'
        elif video_id in jobs:
            reason = f'the same video as {jobs[video_id].args[0]}'
        if reason:
            dropped.append(VideoReport(name, status='dropped', reason=reason))
            continue
        store = args.out_dir / 'videos' / f'{video_id}{SUFFIX}'
        options: dict = dict(overwrite=args.overwrite)
        source = args.src if args.src.is_file() else args.src / name
        if kind == 'skeleton':
            options.update(noise=args.noise, member=name if args.src.is_file() else None)
        jobs[video_id] = ConversionJob(video_id, FUNCTIONS[kind], (source, store), options)
    return list(jobs.values()), dropped


def annotate(report: VideoReport) -> dict:
    """The entry of the annotation file."""
    match = NAME.fullmatch(report.video_id)
    assert match is not None
    action, subject, take = (int(n) for n in match.groups())
    return dict(
        video_id=report.video_id,
        video_path=f'videos/{report.video_id}{SUFFIX}',
        num_frames=report.num_frames,
        gt_label=action - 1,
        subject=subject,
        take=take,
    )


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 only if nothing could be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    names = list_source(args.src)
    kind = find_kind(names, args.source)
    if kind != 'skeleton' and args.src.is_file():
        raise ValueError(f'{args.src}: only skeletons are read from a ZIP file: unpack it')
    check_noise(args.noise, kind)
    metainfo = dict(
        dataset_type='MSRAction3DDataset',
        task='action_recognition',
        classes=read_classes(args.src),
        source=kind,
    )
    jobs, dropped = make_jobs(args, names, kind, len(metainfo['classes']))
    print(f'{len(jobs)} {kind} videos from {args.src} to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir) + dropped
    annotations = args.out_dir / 'annotations.json'

    def write(kept: list[VideoReport]) -> None:
        write_annotations(annotations, metainfo, [annotate(report) for report in kept])

    kept = finish_conversion(reports, annotations, write, started, source=kind, src=args.src.name)
    return 0 if kept else 1


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
