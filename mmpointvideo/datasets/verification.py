"""Checking a data set before training on it."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .annotations import read_annotations
from .storage import SUFFIX, PointVideoStore, PointVideoStoreError

_MAX_LISTED = 50
_NO_LABEL, _OTHER_CLASS = '(no label)', '(other class)'


@dataclass
class DatasetSummary:
    """What :func:`verify_dataset` found.

    Attributes:
        ann_file: The annotation file.
        num_videos: Videos in it.
        num_bytes: Size of the stores.
        frames: Frames of every readable video.
        points: Points of every frame of the readable videos.
        empty_frames: Frames without points, by video.
        extent: ``(2, 3)`` smallest and largest coordinates in the stores' unit; None if fast.
        units: Units and encodings of the stores.
        histogram: Group (split or subject) to class name to number of videos, or of points in a
            data set with labels of points (its metainfo has ``label_ids``).
        classes: Names of the classes.
        failures: What is wrong; empty for a sound data set.
        warnings: What is not wrong but worth knowing.
    """

    ann_file: str
    num_videos: int = 0
    num_bytes: int = 0
    frames: list[int] = field(default_factory=list)
    points: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    empty_frames: dict[str, int] = field(default_factory=dict)
    extent: np.ndarray | None = None
    units: Counter[str] = field(default_factory=Counter)
    histogram: dict[str, Counter[str]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def find_ann_file(path: str | os.PathLike) -> Path:
    """The annotation file itself, or ``annotations.json`` in a data root."""
    path = Path(path)
    return path / 'annotations.json' if path.is_dir() else path


def _group(video: dict[str, Any]) -> str:
    for key in ('split', 'subject'):
        if key in video:
            return f'{key} {video[key]}'
    return 'all'


def _class_name(video: dict[str, Any], classes: Sequence[str]) -> str:
    if 'gt_label' not in video:
        return _NO_LABEL
    # a data set may use the first classes of a file
    return classes[video['gt_label']] if video['gt_label'] < len(classes) else _OTHER_CLASS


def _check_video(
    summary: DatasetSummary,
    video: dict[str, Any],
    root: Path,
    fast: bool,
    label_ids: Sequence[int] | None,
) -> np.ndarray | None:
    """Check one store; returns the points of its frames, or None if it could not be read."""
    name, path = video['video_id'], root / video['video_path']
    try:
        store = PointVideoStore(path)
        if store.num_frames != video['num_frames']:
            summary.failures.append(
                f'{name}: expected {video["num_frames"]} frames, the store has {store.num_frames}'
            )
        store.verify(decode=False)
        if not fast:
            low, high = np.full(3, np.inf), np.full(3, -np.inf)
            for frame in range(store.num_frames):
                batch = store.read([frame])
                xyz = batch.xyz
                if len(xyz):
                    low, high = np.minimum(low, xyz.min(0)), np.maximum(high, xyz.max(0))
                if label_ids is not None and 'label' in batch.channels:
                    _count_points(summary, video, batch.channels['label'], label_ids)
            if summary.extent is None:
                summary.extent = np.stack([low, high])
            summary.extent[0] = np.minimum(summary.extent[0], low)
            summary.extent[1] = np.maximum(summary.extent[1], high)
    except FileNotFoundError:
        summary.failures.append(f'{name}: no such file {path}')
        return None
    except (OSError, PointVideoStoreError) as error:
        summary.failures.append(f'{name}: {error}')
        return None
    summary.num_bytes += path.stat().st_size
    summary.units[f'{store.encoding}, unit {store.unit or "not named"}'] += 1
    return store.num_points


def _count_points(
    summary: DatasetSummary, video: dict[str, Any], labels: np.ndarray, label_ids: Sequence[int]
) -> None:
    """Add the points of a frame to the histogram."""
    counts = summary.histogram.setdefault(_group(video), Counter())
    rest = len(labels)
    for name, label_id in zip(summary.classes, label_ids, strict=True):
        number = int(np.count_nonzero(labels == label_id))
        counts[name] += number
        rest -= number
    counts[_NO_LABEL] += rest


def _unlisted_stores(videos: Sequence[dict[str, Any]], root: Path) -> list[str]:
    """Stores beside those of the videos that are not in the list."""
    listed = {root / video['video_path'] for video in videos}
    folders = sorted({path.parent for path in listed if path.parent.is_dir()})
    there = (path for folder in folders for path in sorted(folder.glob(f'*{SUFFIX}')))
    unlisted = (path for path in there if path not in listed)
    return [Path(os.path.relpath(path, root)).as_posix() for path in unlisted]


def verify_dataset(
    path: str | os.PathLike,
    fast: bool = False,
    read: Callable[[Path], dict[str, Any]] = read_annotations,
) -> DatasetSummary:
    """Check annotation file and stores: files, frame counts, checksums, labels, extents.

    Args:
        path: An annotation file or the folder with ``annotations.json``.
        fast: Check headers and checksums but decode nothing, so no extents.
        read: Reads the annotation file: a data set's own ``read_annotations`` where it knows
            other forms.

    Returns:
        The findings; the data set is sound if ``failures`` is empty.
    """
    ann_file = find_ann_file(path)
    summary = DatasetSummary(str(ann_file))
    try:
        annotations = read(ann_file)
    except FileNotFoundError:
        summary.failures.append(f'{ann_file}: no such file')
        return summary
    except (OSError, ValueError) as error:
        summary.failures.append(str(error))
        return summary
    videos, classes = annotations['data_list'], list(annotations['metainfo']['classes'])
    summary.num_videos, summary.classes = len(videos), classes
    if not videos:
        summary.failures.append('the annotation file lists no video')
    label_ids = annotations['metainfo'].get('label_ids')
    if label_ids is not None and len(label_ids) != len(classes):
        summary.failures.append(f'label_ids: expected {len(classes)}, got {len(label_ids)}')
        return summary
    all_points = []
    for video in videos:
        if label_ids is None:
            label = _class_name(video, classes)
            summary.histogram.setdefault(_group(video), Counter())[label] += 1
        points = _check_video(summary, video, ann_file.parent, fast, label_ids)
        if points is None:
            continue
        all_points.append(points)
        summary.frames.append(len(points))
        empty = int((points == 0).sum())
        if empty:
            summary.empty_frames[video['video_id']] = empty
        if empty == len(points):
            summary.failures.append(f'{video["video_id"]}: no frame has any point')
    if all_points:
        summary.points = np.concatenate(all_points)
    used = {name for counts in summary.histogram.values() for name, n in counts.items() if n}
    unused = [name for name in classes if name not in used]
    if unused and summary.histogram:
        what = 'video' if label_ids is None else 'point'
        summary.warnings.append(f'classes without a {what}: {unused}')
    unlisted = _unlisted_stores(videos, ann_file.parent)
    if unlisted:
        more = ', ...' if len(unlisted) > 5 else ''
        summary.warnings.append(
            f'{len(unlisted)} stores are not in the annotation file: '
            f'{", ".join(unlisted[:5])}{more}; a converter lists the videos of its last source'
        )
    if summary.empty_frames:
        summary.warnings.append(f'frames without points: {summary.empty_frames}')
    return summary


def _spread(name: str, values: Sequence[int] | np.ndarray) -> str:
    return f'{name:18s} min {np.min(values)}, mean {np.mean(values):.1f}, max {np.max(values)}'


def format_dataset_summary(summary: DatasetSummary) -> str:
    """The findings as a table for people."""
    lines = [summary.ann_file, f'{"videos":18s} {summary.num_videos}']
    if summary.frames:
        lines.append(_spread('frames a video', summary.frames))
        if len(summary.points):
            lines.append(_spread('points a frame', summary.points))
        lines.append(f'{"size":18s} {summary.num_bytes / 2**20:.1f} MiB')
        lines += [f'{"stores":18s} {n} x {unit}' for unit, n in summary.units.items()]
    if summary.extent is not None and np.isfinite(summary.extent).all():
        pairs = zip('xyz', summary.extent.T, strict=True)
        ranges = ', '.join(f'{axis} {low:.6g}..{high:.6g}' for axis, (low, high) in pairs)
        lines.append(f'{"extent":18s} {ranges}')
    if summary.histogram:
        groups = sorted(summary.histogram, key=lambda g: (len(g), g))
        labels = [*summary.classes, _OTHER_CLASS, _NO_LABEL]
        rows = [[''] + groups + ['all']]
        for label in labels:
            counts = [summary.histogram[group][label] for group in groups]
            if label in summary.classes or any(counts):
                rows.append([label, *map(str, counts), str(sum(counts))])
        totals = [sum(summary.histogram[group].values()) for group in groups]
        rows.append(['all', *map(str, totals), str(sum(totals))])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines.append('')
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append('  '.join(cells))
    lines += [f'note: {text}' for text in summary.warnings]
    lines += [f'FAILED: {text}' for text in summary.failures[:_MAX_LISTED]]
    if len(summary.failures) > _MAX_LISTED:
        lines.append(f'... and {len(summary.failures) - _MAX_LISTED} more failures')
    lines.append('FAILED' if summary.failures else 'OK')
    return '\n'.join(lines)
