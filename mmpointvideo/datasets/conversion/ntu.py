"""NTU RGB+D videos into frame stores: masked depth, published points, simulated depth."""

import os

import numpy as np

from mmpointvideo.datasets.formats import read_published_npz
from mmpointvideo.datasets.formats.ntu_depth import NTU_CAMERA, iter_ntu_frames, list_ntu_frames
from mmpointvideo.datasets.storage import PointVideoWriter

from .msr import NOISES, points_to_depth
from .report import VideoReport
from .runner import describe_store, existing_report, note_empty_frames, source_mark, video_name

NTU_UNIT = 'mm'


def convert_ntu_depth(
    folder: str | os.PathLike, store_path: str | os.PathLike, overwrite: bool = False
) -> VideoReport:
    """Convert a folder of masked depth images, one frame in memory at a time.

    Args:
        folder: With ``MDepth-00000001.png``, ...
        store_path: Where the store shall be.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If there is no such folder, or no frame in it.
        ValueError: If a frame is missing or damaged, or no frame has any point.
        ImportError: If OpenCV is missing.
    """
    paths, mark = list_ntu_frames(folder)
    conversion = dict(source='depth', **mark)
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    counts: list[int] = []
    repairs: list[str] = []
    with PointVideoWriter(
        store_path, camera=NTU_CAMERA, unit=NTU_UNIT, meta=dict(conversion=conversion)
    ) as writer:
        for depth in iter_ntu_frames(paths):
            writer.append_depth(depth)
            counts.append(int(np.count_nonzero(depth)))
        note_empty_frames(counts, repairs)
        writer.update_meta(repairs=repairs)
    return describe_store(store_path, 'converted')


def convert_ntu_npz(
    npz_path: str | os.PathLike, store_path: str | os.PathLike, overwrite: bool = False
) -> VideoReport:
    """Convert published points (``data``, in units of 65.535 m); the pickle inside never runs.

    Where every point can be carried back to a pixel of its own at whole millimetres, the store
    holds depth, otherwise the points in millimetres as float32; ``encoding`` says which.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an intact published file, or no frame has any point.
    """
    conversion = dict(source='npz', **source_mark(npz_path))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    clouds = read_published_npz(npz_path, key='data')
    repairs: list[str] = []
    for index, cloud in enumerate(clouds):
        cloud = cloud.astype(np.float64) * 65535
        good = np.isfinite(cloud).all(axis=1)
        if not good.all():
            cloud = cloud[good]
            repairs.append(f'frame {index}: {int((~good).sum())} points with NaN left out')
        whole = np.rint(cloud[:, 2])
        if np.abs(cloud[:, 2] - whole).max(initial=0) < 0.05:  # float32 of a pixel / 65535
            cloud[:, 2] = whole
        clouds[index] = cloud
    note_empty_frames([len(cloud) for cloud in clouds], repairs)
    images = []
    for cloud in clouds:
        image = points_to_depth(cloud, NTU_CAMERA)
        if image is None:
            break
        images.append(image)
    meta = dict(conversion=conversion, repairs=repairs)
    if len(images) == len(clouds):
        with PointVideoWriter(store_path, camera=NTU_CAMERA, unit=NTU_UNIT, meta=meta) as writer:
            for image in images:
                writer.append_depth(image)
    else:
        with PointVideoWriter(store_path, 'points', unit=NTU_UNIT, meta=meta) as writer:
            for cloud in clouds:
                writer.append_points(cloud)
    return describe_store(store_path, 'converted')


def convert_ntu_skeleton(
    path: str | os.PathLike,
    store_path: str | os.PathLike,
    noise: str = 'none',
    overwrite: bool = False,
) -> VideoReport:
    """Simulate the depth video of the most moving body of a ``.skeleton`` file.

    The store has a channel ``part``: the true body part of every point.

    Args:
        path: The file.
        store_path: Where the store shall be.
        noise: ``'none'`` or ``'kinect'``, seeded by the video's name.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such file, or too few frames are usable.
        ImportError: If numba, which the simulated sensor needs, is missing.
    """
    from mmpointvideo.simulation import (
        NTU_BODY,
        NTU_CAMERA,
        PART_NAMES,
        SensorNoise,
        load_ntu_skeleton,
        simulate_depth_video,
    )

    if noise not in NOISES:
        raise ValueError(f'noise: expected one of {NOISES}, got {noise!r}')
    conversion = dict(source='skeleton', noise=noise, **source_mark(path))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    joints, skeleton = load_ntu_skeleton(path)
    repairs = [] if skeleton.is_clean else [skeleton.summary()]
    counts = []
    with PointVideoWriter(
        store_path,
        camera=NTU_CAMERA.to_dict(),
        channels=dict(part='uint8'),
        unit=NTU_UNIT,
        meta=dict(
            conversion=conversion,
            part_names=list(PART_NAMES),
            source_frames=[int(i) for i in skeleton.kept],
        ),
    ) as writer:
        for depth, part in simulate_depth_video(
            joints,
            camera=NTU_CAMERA,
            body=NTU_BODY,
            noise=SensorNoise.kinect(1000.0) if noise == 'kinect' else None,
            seed=int.from_bytes(video_name(store_path).encode()[-8:], 'little'),
        ):
            writer.append_depth(depth, dict(part=part))
            counts.append(int(np.count_nonzero(depth)))
        note_empty_frames(counts, repairs)
        writer.update_meta(repairs=repairs)
    return describe_store(store_path, 'converted')
