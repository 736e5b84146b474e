"""Converting many videos in parallel, and picking up where an earlier run stopped."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.utils import ProgressBar

from mmpointvideo.datasets.storage import SUFFIX, PointVideoStore, PointVideoStoreError

from .output_lock import output_lock
from .report import VideoReport
from .workers import parallel_map


@dataclass
class ConversionJob:
    """One video to convert: ``function(*args, **options)`` gives its report.

    ``function`` must be importable by name, so that worker processes find it.
    """

    video_id: str
    function: Callable[..., VideoReport]
    args: tuple
    options: dict[str, Any]


def video_name(store_path: str | os.PathLike) -> str:
    """The video's name: the store's file name without suffix."""
    return Path(store_path).stem


def describe_store(path: str | os.PathLike, status: str) -> VideoReport:
    """Report of a finished store."""
    store = PointVideoStore(path)
    return VideoReport(
        video_id=video_name(path),
        status=status,
        num_frames=store.num_frames,
        points_per_frame=float(np.mean(store.num_points)) if store.num_frames else 0.0,
        encoding=store.encoding,
        num_bytes=os.path.getsize(path),
        repairs=list(store.meta.get('repairs', [])),
    )


def existing_report(path: str | os.PathLike, conversion: Mapping[str, Any]) -> VideoReport | None:
    """Report of a store that an earlier run made from the same source with the same options.

    Args:
        path: Where the store would be.
        conversion: Source and options, as the store's ``meta['conversion']`` notes them.

    Returns:
        None if there is no such store, or if it is damaged (headers and checksums are checked,
        nothing is decoded).
    """
    try:
        store = PointVideoStore(path)
        if store.meta.get('conversion') != dict(conversion):
            return None
        store.verify(decode=False)
        return describe_store(path, 'existing')
    except (FileNotFoundError, PointVideoStoreError):
        return None


def source_mark(path: str | os.PathLike) -> dict[str, Any]:
    """What tells a source file from another version of it: name, size, time of change."""
    stat = Path(path).stat()
    return dict(name=Path(path).name, size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def note_empty_frames(num_points: Sequence[int], repairs: list[str]) -> None:
    """Add a line to ``repairs`` when frames have no points; they stay in the video.

    Raises:
        ValueError: If no frame has any point.
    """
    empty = [i for i, n in enumerate(num_points) if n == 0]
    if len(empty) == len(num_points):
        raise ValueError('no frame has any point')
    if empty:
        repairs.append(f'{len(empty)} frames without points kept: {_ranges(empty)}')


def _ranges(frames: Sequence[int]) -> str:
    """``[1, 2, 3, 7]`` as ``'1-3, 7'``."""
    parts: list[list[int]] = []
    for frame in frames:
        if parts and frame == parts[-1][1] + 1:
            parts[-1][1] = frame
        else:
            parts.append([frame, frame])
    return ', '.join(f'{a}-{b}' if b > a else str(a) for a, b in parts)


def run_job(job: ConversionJob) -> VideoReport:
    """Run one job; whatever goes wrong with this video is its report, not the run's end."""
    try:
        report = job.function(*job.args, **job.options)
        report.video_id = job.video_id
        return report
    except (ValueError, OSError, ImportError) as error:
        reason = str(error)
    except Exception as error:
        reason = f'{type(error).__name__}: {error}'
    return VideoReport(job.video_id, status='dropped', reason=reason)


def _remove_leftovers(folder: Path, names: set[str]) -> None:
    """Remove unfinished stores of some videos: paths below the folder, without suffix."""
    for path in folder.rglob('.*.tmp'):
        name, found, _ = path.name[1:].rpartition(f'{SUFFIX}.')
        if found and (path.parent.relative_to(folder) / name).as_posix() in names:
            path.unlink()


def run_jobs(
    jobs: Sequence[ConversionJob],
    workers: int = 1,
    out_dir: str | os.PathLike | None = None,
    shard: tuple[int, int] = (1, 1),
) -> list[VideoReport]:
    """Convert videos with a progress bar.

    Args:
        jobs: One job a video.
        workers: Processes; with 1 everything runs in this one.
        out_dir: The data root. It is locked meanwhile, and what a killed run left unfinished of
            these videos in its folder ``videos`` is removed.
        shard: Which shard the jobs are, from 1, and of how many.

    Returns:
        Reports sorted by name.

    Raises:
        ValueError: If two jobs have the same name or ``workers`` is below 1.
        BlockingIOError: If another conversion into ``out_dir`` is running.
        ChildProcessError: If the system killed a worker.
    """
    twice = [name for name, n in Counter(job.video_id for job in jobs).items() if n > 1]
    if twice:
        raise ValueError(f'two videos of one name: {sorted(twice)[:10]}')
    if workers < 1:
        raise ValueError(f'workers: expected 1 or more, got {workers}')
    with ExitStack() as stack:
        if out_dir is not None:
            stack.enter_context(output_lock(out_dir, shard))
            _remove_leftovers(Path(out_dir) / 'videos', {job.video_id for job in jobs})
        return sorted(_run(jobs, workers), key=lambda report: report.video_id)


def _run(jobs: Sequence[ConversionJob], workers: int) -> list[VideoReport]:
    """Reports of the jobs, in the order in which they end."""
    reports: list[VideoReport] = []
    if not jobs:
        return reports
    workers = min(workers, len(jobs))
    bar = ProgressBar(len(jobs))
    try:
        alone = nullcontext(map(run_job, jobs))
        with alone if workers == 1 else parallel_map(run_job, jobs, workers) as results:
            for report in results:
                reports.append(report)
                bar.update()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f'one of {workers} worker processes was killed after {len(reports)} of {len(jobs)} '
            'videos (out of memory?): start again with fewer --workers, what is finished stays'
        ) from error
    finally:
        print(flush=True)
    return reports
