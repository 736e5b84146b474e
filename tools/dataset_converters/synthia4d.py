"""Convert Synthia 4D to frame stores and one annotation file.

    python tools/dataset_converters/synthia4d.py SRC OUT_DIR

SRC is a folder of raw sequences (SYNTHIA-SEQS-01-DAWN/Depth/Stereo_Left/Omni_F/000000.png, ...) or
of published processed frames (SYNTHIA-SEQS-01-DAWN-000000.npz, ...). Which sequence belongs to
which split is known for the published ones; SRC/splits.json ({"SEQUENCE": "train"}) tells it for
others. An interrupted run continues where it stopped.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from mmpointvideo.datasets.conversion import (
    ConversionJob,
    VideoReport,
    finish_conversion,
    run_jobs,
    walk_folders,
)
from mmpointvideo.datasets.conversion.synthia import (
    SceneSampling,
    convert_synthia_npz,
    convert_synthia_sequence,
    write_synthia_annotations,
)
from mmpointvideo.datasets.formats.synthia import split_npz_name
from mmpointvideo.datasets.storage import SUFFIX
from mmpointvideo.datasets.synthia4d_facts import SPLITS
from mmpointvideo.engine.options import (
    non_negative_int,
    one_line_errors,
    positive_float,
    positive_int,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder with the sequences or .npz files')
    parser.add_argument('out_dir', type=Path, help='becomes the data root')
    parser.add_argument('--source', choices=('auto', 'raw', 'npz'), default='auto')
    parser.add_argument('--sequences', nargs='+', help='only these, e.g. SYNTHIA-SEQS-04-DAWN')
    raw = parser.add_argument_group('raw sequences', 'the defaults are the published values')
    raw.add_argument('--num-points', type=positive_int, help='points kept of a frame')
    raw.add_argument(
        '--downsample',
        type=positive_float,
        help='one of so many points is kept before furthest point sampling',
    )
    raw.add_argument('--radius', type=positive_float, help='metres kept along any axis')
    raw.add_argument('--seed', type=non_negative_int, help='of the sampling')
    raw.add_argument(
        '--skip-incomplete', action='store_true', help='leave out frames that lack a file'
    )
    parser.add_argument(
        '--workers', type=positive_int, default=os.cpu_count() or 1, help='processes'
    )
    parser.add_argument('--overwrite', action='store_true', help='convert again what is there')
    return parser.parse_args(argv)


def scene_sampling(args: argparse.Namespace, kind: str) -> SceneSampling:
    """How to sample the frames of raw sequences.

    Raises:
        ValueError: If options are given that published frames would ignore.
    """
    fields = dataclasses.fields(SceneSampling)
    given = {f.name: getattr(args, f.name) for f in fields if getattr(args, f.name) is not None}
    ignored = [*given, *['skip_incomplete'] * args.skip_incomplete] if kind == 'npz' else []
    if ignored:
        options = ', '.join('--' + name.replace('_', '-') for name in ignored)
        raise ValueError(
            f'{options}: for raw sequences, but {args.src} holds published frames, which are '
            'converted as they are: leave it out'
        )
    return SceneSampling(**given)


def find_sources(
    args: argparse.Namespace,
) -> tuple[str, dict[str, list[Path]], list[VideoReport]]:
    """Kind of source, the folder or files of every sequence, reports of files of other names.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no sequence, or both kinds and none was asked for.
    """
    if not args.src.is_dir():
        raise FileNotFoundError(f'{args.src}: no such folder')
    raw = {p.parent.name: [p.parent] for p in sorted(args.src.glob('[!.]*/CameraParams'))}
    npz, odd = defaultdict(list), []
    for path in find_npz(args.src):
        try:
            npz[split_npz_name(path)[0]].append(path)
        except ValueError as error:
            name = path.relative_to(args.src).as_posix()
            odd.append(VideoReport(name, status='dropped', reason=str(error)))
    found = {kind: s for kind, s in (('raw', raw), ('npz', dict(npz))) if s}
    if args.source != 'auto':
        found = {kind: s for kind, s in found.items() if kind == args.source}
    if len(found) != 1:
        raise ValueError(
            f'{args.src}: expected raw sequences (SEQUENCE/CameraParams/...) or published frames '
            f'(SEQUENCE-000000.npz), found {" and ".join(found) or "none"}; choose with --source'
        )
    kind, sequences = next(iter(found.items()))
    if args.sequences:
        missing = sorted(set(args.sequences) - set(sequences))
        if missing:
            raise ValueError(f'{args.src}: no sequence {missing}, it has {sorted(sequences)}')
        sequences = {name: sequences[name] for name in args.sequences}
    return kind, sequences, odd if kind == 'npz' else []


def find_npz(src: Path) -> list[Path]:
    """The .npz files below a folder, links followed."""
    files = (Path(folder) / name for folder, _, names in walk_folders(src) for name in names)
    return [f for f in files if f.suffix.lower() == '.npz' and not f.name.startswith('.')]


def read_splits(src: Path) -> dict[str, str]:
    """Splits of sequences that are not in the published lists.

    Raises:
        ValueError: If the file is not of the form described above.
    """
    path = src / 'splits.json'
    if not path.is_file():
        return {}
    try:
        splits = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: not valid JSON: {error}') from None
    if not isinstance(splits, dict) or not all(split in SPLITS for split in splits.values()):
        raise ValueError(
            f'{path}: expected {{"SEQUENCE": one of {SPLITS}, ...}}, got {str(splits)[:200]}'
        )
    return splits


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status: 1 if any sequence could not be converted."""
    args = parse_args(argv)
    started = time.perf_counter()
    kind, sequences, odd = find_sources(args)
    sampling = scene_sampling(args, kind)
    splits = read_splits(args.src)
    jobs = []
    for name, paths in sequences.items():
        store = args.out_dir / 'videos' / f'{name}{SUFFIX}'
        options: dict = dict(overwrite=args.overwrite)
        if kind == 'raw':
            options.update(sampling=sampling, skip_incomplete=args.skip_incomplete)
            jobs.append(ConversionJob(name, convert_synthia_sequence, (paths[0], store), options))
        else:
            jobs.append(ConversionJob(name, convert_synthia_npz, (paths, store), options))
    print(f'{len(jobs)} {kind} sequences from {args.src} to {args.out_dir}')
    reports = run_jobs(jobs, args.workers, args.out_dir) + odd

    def write(kept: list[VideoReport]) -> None:
        names = [report.video_id for report in kept]
        frames: Counter = Counter()
        for entry in write_synthia_annotations(args.out_dir, names, splits, kind):
            frames[entry.get('split', 'no split')] += len(entry['labelled_frames'])
        counts = ', '.join(f'{n} {split}' for split, n in sorted(frames.items()))
        print(f'Labelled frames: {counts}.')

    annotations = args.out_dir / 'annotations.json'
    kept = finish_conversion(reports, annotations, write, started, source=kind, src=args.src.name)
    return 0 if kept and len(kept) == len(jobs) else 1


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
