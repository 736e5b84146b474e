"""SYNTHIA sequences into frame stores: four views merged, cropped, thinned out."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmpointvideo.datasets.annotations import write_annotations
from mmpointvideo.datasets.formats.synthia import (
    VIEWS,
    SynthiaCloud,
    list_frames,
    read_cloud,
    read_intrinsics,
    read_npz_cloud,
    split_npz_name,
    view_path,
)
from mmpointvideo.datasets.scene_halves import filled_halves
from mmpointvideo.datasets.storage import SUFFIX, PointVideoStore, PointVideoWriter
from mmpointvideo.datasets.synthia4d_facts import CLASSES, LABEL_IDS, OFFICIAL_SEQUENCES

from .report import VideoReport
from .runner import describe_store, existing_report, note_empty_frames, source_mark

#: Sky and the two reserved ids are no part of a scene.
DROPPED_LABELS = (1, 13, 14)
_CHANNELS = {'rgb': ('uint8', 3), 'label': 'uint8'}


@dataclass(frozen=True)
class SceneSampling:
    """How the pixels of a frame become its cloud; the defaults are the published values.

    Args:
        num_points: Points that furthest point sampling keeps. A frame with fewer keeps them all.
        radius: Largest distance from the cameras along any axis, in metres.
        downsample: One of so many points is kept before furthest point sampling, drawn without
            replacement with probability proportional to the distance from the cameras. Depends
            on the images' size: 16 is meant for 4 views of 1280 x 760.
        seed: Seed of the draw; each frame has its own stream.
    """

    num_points: int = 16384
    radius: float = 25.0
    downsample: float = 16.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_points < 1 or not self.radius > 0 or not self.downsample >= 1:
            raise ValueError(f'expected num_points >= 1, radius > 0, downsample >= 1, got {self}')


def sample_scene(cloud: SynthiaCloud, sampling: SceneSampling, rng: np.random.Generator
                 ) -> SynthiaCloud:  # fmt: skip
    """Crop and thin out a frame.

    Args:
        cloud: All its pixels.
        sampling: What to keep.
        rng: Source of the draw.

    Returns:
        The points that are kept, in the order of furthest point sampling.
    """
    offset = cloud.xyz - cloud.center
    near = np.abs(offset).max(axis=1, initial=0) < sampling.radius
    keep = np.flatnonzero(near & ~np.isin(cloud.label, DROPPED_LABELS))
    distance = np.linalg.norm(offset[keep], axis=1)
    keep, distance = keep[distance > 0], distance[distance > 0]
    count = int(len(keep) / sampling.downsample)
    if count < len(keep):
        # Smallest of exponential variables of these rates: a draw without replacement, one
        # after another with these weights (Efraimidis and Spirakis, 2006).
        keys = rng.exponential(size=len(keep)) / distance
        keep = keep[np.argpartition(keys, count)[:count]]
    # a random order, so that furthest point sampling starts anywhere
    keep = keep[rng.permutation(len(keep))]
    if len(keep) > sampling.num_points:
        keep = keep[_furthest_points(offset[keep], sampling.num_points)]
    return SynthiaCloud(cloud.xyz[keep], cloud.rgb[keep], cloud.label[keep], cloud.center)


def _furthest_points(offset: np.ndarray, num_points: int) -> np.ndarray:
    import torch

    from mmpointvideo.ops import furthest_point_sample

    xyz = torch.from_numpy(np.ascontiguousarray(offset[None], np.float32))
    return furthest_point_sample(xyz, num_points)[0].numpy()


def frame_rng(seed: int, sequence: str, frame: int) -> np.random.Generator:
    """A frame's own random numbers."""
    return np.random.default_rng([seed, zlib.crc32(sequence.encode()), frame])


def _write_store(
    store_path: str | os.PathLike,
    frames: Sequence[int],
    read: Callable[[int], SynthiaCloud],
    conversion: Mapping[str, Any],
    repairs: list[str],
) -> VideoReport:
    meta = dict(conversion=dict(conversion), frame_ids=[int(n) for n in frames])
    counts, centers, one_sided = [], [], []
    with PointVideoWriter(
        store_path, 'points', channels=_CHANNELS, unit='metre', meta=meta
    ) as writer:
        for number in frames:
            cloud = read(number)
            writer.append_points(cloud.xyz, dict(rgb=cloud.rgb, label=cloud.label))
            counts.append(len(cloud.xyz))
            centers.append([float(x) for x in cloud.center])
            if 0 < len(filled_halves(cloud.xyz.astype(np.float32), cloud.center)) < 2:
                one_sided.append(int(number))
        note_empty_frames(counts, repairs)
        if one_sided:
            repairs.append(f'frames {one_sided} have points on one side of their centre only')
        writer.update_meta(centers=centers, one_sided_frames=one_sided, repairs=repairs)
    return describe_store(store_path, 'converted')


def convert_synthia_sequence(
    sequence_dir: str | os.PathLike,
    store_path: str | os.PathLike,
    sampling: SceneSampling | None = None,
    skip_incomplete: bool = False,
    source: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> VideoReport:
    """Convert a raw sequence.

    The store holds, per frame, world coordinates in metres and the channels ``rgb`` (n, 3) uint8
    and ``label`` (n,) uint8, raw ids; its meta ``frame_ids`` and ``centers``, where the cameras
    are.

    Args:
        sequence_dir: Folder of the sequence.
        store_path: Where the store shall be.
        sampling: What to keep of a frame.
        skip_incomplete: Leave out a frame that lacks a file, and report it, instead of failing.
        source: What tells this sequence from another version of it; by default names, sizes and
            times of its files.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If a frame lacks a view, depth, label image or pose.
        ValueError: If a file is damaged, sizes differ, a label id is unknown or no frame has a
            point.
    """
    root = Path(sequence_dir)
    sampling = sampling or SceneSampling()
    frames, lacking = list_frames(root)
    if lacking and not skip_incomplete:
        number, files = next(iter(lacking.items()))
        raise FileNotFoundError(
            f'{root}: {len(lacking)} frames are incomplete; frame {number} lacks '
            f'{", ".join(files[:3])}{" ..." if len(files) > 3 else ""}. Complete them, or leave '
            f'them out with --skip-incomplete'
        )
    if not frames:
        raise FileNotFoundError(f'{root}: no frame has all four views')
    repairs = [f'frame {n} left out: {len(f)} files missing' for n, f in lacking.items()]
    source = source or dict(files=_files_mark(root, frames))
    conversion = conversion_mark(sampling, source)
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    camera = read_intrinsics(root / 'CameraParams' / 'intrinsics.txt')
    name = Path(store_path).stem

    def read(number: int) -> SynthiaCloud:
        cloud = read_cloud(root, number, camera)
        return sample_scene(cloud, sampling, frame_rng(sampling.seed, name, number))

    return _write_store(store_path, frames, read, conversion, repairs)


def conversion_mark(sampling: SceneSampling, source: Mapping[str, Any]) -> dict[str, Any]:
    """What a store notes about how it was made, to be recognised by a later run."""
    return dict(source='synthia_raw', sampling=asdict(sampling), **source)


def _files_mark(root: Path, frames: Sequence[int]) -> int:
    paths = [root / 'CameraParams' / 'intrinsics.txt']
    for what in ('rgb', 'depth', 'label', 'pose'):
        paths += [view_path(root, what, view, n) for view in VIEWS for n in frames]
    return zlib.crc32(json.dumps([source_mark(path) for path in paths]).encode())


def convert_synthia_npz(
    npz_paths: Sequence[str | os.PathLike],
    store_path: str | os.PathLike,
    overwrite: bool = False,
) -> VideoReport:
    """Convert the published processed frames of one sequence, as they are.

    Args:
        npz_paths: ``SEQUENCE-000000.npz`` files of one sequence.
        store_path: Where the store shall be.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, the files are of several sequences, or two of them are
            the same frame.
    """
    named = sorted((split_npz_name(path), path) for path in npz_paths)
    sequences = sorted({sequence for (sequence, _), _ in named})
    if len(sequences) != 1:
        raise ValueError(f'expected files of one sequence, got {sequences}')
    paths: dict[int, str | os.PathLike] = {}
    for (_, number), path in named:
        if number in paths:
            raise ValueError(f'frame {number} is there twice: {paths[number]} and {path}')
        paths[number] = path
    marks = json.dumps([source_mark(path) for path in paths.values()])
    conversion = dict(source='synthia_npz', files=zlib.crc32(marks.encode()))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done

    def read(number: int) -> SynthiaCloud:
        cloud = read_npz_cloud(paths[number])
        kept = np.flatnonzero(~np.isin(cloud.label, DROPPED_LABELS))
        return SynthiaCloud(cloud.xyz[kept], cloud.rgb[kept], cloud.label[kept], cloud.center)

    return _write_store(store_path, list(paths), read, conversion, [])


def annotate_synthia(data_root: str | os.PathLike, video_id: str, splits: Mapping[str, str]
                     ) -> dict[str, Any]:  # fmt: skip
    """The entry of a converted sequence in the annotation file.

    Args:
        data_root: Folder of the annotation file.
        video_id: The sequence.
        splits: Sequence to split, for those that are not in the published lists.

    Returns:
        Beside the usual fields ``split`` (or none), ``frame_ids`` and ``centers`` of the stored
        frames; ``labelled_frames``: the numbers of the frames that the split counts and that have
        a point; and ``one_sided_frames`` if there are any, of which one half is empty.
    """
    path = f'videos/{video_id}{SUFFIX}'
    store = PointVideoStore(Path(data_root) / path)
    meta, counts = store.meta, store.num_points.tolist()
    entry: dict[str, Any] = dict(
        video_id=video_id,
        video_path=path,
        num_frames=len(meta['frame_ids']),
        frame_ids=meta['frame_ids'],
        centers=meta['centers'],
    )
    if meta.get('one_sided_frames'):
        entry['one_sided_frames'] = meta['one_sided_frames']
    labelled = [n for n, points in zip(meta['frame_ids'], counts, strict=True) if points]
    if video_id in splits:
        entry['split'] = splits[video_id]
    elif video_id in OFFICIAL_SEQUENCES:
        official = OFFICIAL_SEQUENCES[video_id]
        listed = set(official.frames())
        entry['split'] = official.split
        labelled = [n for n in labelled if n in listed]
    return dict(entry, labelled_frames=labelled)


def write_synthia_annotations(
    data_root: str | os.PathLike, video_ids: Sequence[str], splits: Mapping[str, str], source: str
) -> list[dict[str, Any]]:
    """Write ``annotations.json`` of converted sequences; returns its entries."""
    entries = [annotate_synthia(data_root, video_id, splits) for video_id in video_ids]
    metainfo = dict(
        dataset_type='Synthia4DDataset',
        task='semantic_segmentation',
        classes=list(CLASSES),
        label_ids=list(LABEL_IDS),
        source=source,
    )
    write_annotations(Path(data_root) / 'annotations.json', metainfo, entries)
    return entries
