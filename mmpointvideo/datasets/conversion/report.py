"""What became of a video in a conversion."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmpointvideo.utils.atomic import write_json

STATUSES = ('converted', 'existing', 'dropped')


@dataclass
class VideoReport:
    """Outcome of converting one video.

    Attributes:
        video_id: Its name.
        status: ``'converted'``, ``'existing'`` (an intact store of the same source and options was
            there) or ``'dropped'``.
        num_frames: Frames in the store.
        points_per_frame: Mean number of points.
        encoding: ``'depth'`` or ``'points'``.
        num_bytes: Size of the store.
        repairs: What was changed or left out, for people.
        reason: Why it was dropped.
    """

    video_id: str
    status: str = 'converted'
    num_frames: int = 0
    points_per_frame: float = 0.0
    encoding: str = ''
    num_bytes: int = 0
    repairs: list[str] = field(default_factory=list)
    reason: str = ''


def report_to_json(reports: Sequence[VideoReport], **extra: Any) -> dict[str, Any]:
    """The content of ``conversion_report.json``."""
    counts = {status: sum(r.status == status for r in reports) for status in STATUSES}
    counts['repaired'] = sum(bool(r.repairs) and r.status != 'dropped' for r in reports)
    return dict(extra, counts=counts, videos=[asdict(r) for r in reports])


def format_summary(reports: Sequence[VideoReport]) -> str:
    """A summary for people: counts, size, and every video that was dropped or repaired."""
    kept = [r for r in reports if r.status != 'dropped']
    dropped = [r for r in reports if r.status == 'dropped']
    repaired = [r for r in kept if r.repairs]
    new = sum(r.status == 'converted' for r in kept)
    frames, size = sum(r.num_frames for r in kept), sum(r.num_bytes for r in kept)
    lines = []
    if repaired:
        lines += ['', 'Repaired:'] + [f'  {r.video_id}: {"; ".join(r.repairs)}' for r in repaired]
    if dropped:
        lines += ['', 'Dropped:'] + [f'  {r.video_id}: {r.reason}' for r in dropped]
    lines += [
        '',
        f'{len(kept)} of {len(reports)} videos are there: {new} converted now, '
        f'{len(kept) - new} already there; {len(repaired)} repaired, {len(dropped)} dropped.',
    ]
    if frames:
        points = sum(r.points_per_frame * r.num_frames for r in kept) / frames
        lines.append(
            f'{frames} frames, {points:.0f} points a frame on average, {size / 2**20:.1f} MiB, '
            f'{size / frames:.0f} bytes a frame.'
        )
    return '\n'.join(lines)


def finish_conversion(
    reports: Sequence[VideoReport],
    annotations: Path,
    write: Callable[[list[VideoReport]], object],
    started: float,
    shard: bool = False,
    **extra: Any,
) -> list[VideoReport]:
    """Print the summary; write the report, and the annotation file where there are videos.

    Args:
        reports: Of all videos.
        annotations: The annotation file. The report lies beside it and is named like it, with
            ``conversion_report`` for ``annotations``.
        write: Writes the annotation file of the videos that are there.
        started: When the conversion began, as ``time.perf_counter()`` has it.
        shard: The files of one shard: they are written without videos, too.
        extra: Further entries of the report.

    Returns:
        The reports of the videos that are there.
    """
    seconds = time.perf_counter() - started
    print(format_summary(reports))
    kept = [report for report in reports if report.status != 'dropped']
    content = report_to_json(reports, **extra, seconds=round(seconds, 1))
    name = annotations.name.replace('annotations', 'conversion_report')
    write_json(annotations.with_name(name), content)
    if not kept and not (shard and not reports):  # few videos, many shards
        print('error: nothing could be converted', file=sys.stderr)
    if kept or shard:
        write(kept)
        print(f'{seconds:.0f} s. Annotations: {annotations}')
    return kept
