"""NTU RGB+D videos into frame stores: masked depth, published points, simulated depth."""

import os

import numpy as np

from mmpointvideo.datasets.formats import read_published_npz
from mmpointvideo.datasets.formats.ntu_depth import NTU_CAMERA, iter_ntu_frames, list_ntu_frames
from mmpointvideo.datasets.storage import PointVideoWriter

from .clouds import leave_out_nan, write_clouds
from .report import VideoReport
from .runner import describe_store, existing_report, note_empty_frames, source_mark
from .simulated import noise_settings, write_simulated

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
    clouds = [cloud.astype(np.float64) * 65535 for cloud in clouds]
    leave_out_nan(clouds, repairs)
    for cloud in clouds:
        whole = np.rint(cloud[:, 2])
        if np.abs(cloud[:, 2] - whole).max(initial=0) < 0.05:  # float32 of a pixel / 65535
            cloud[:, 2] = whole
    note_empty_frames([len(cloud) for cloud in clouds], repairs)
    meta = dict(conversion=conversion, repairs=repairs)
    write_clouds(store_path, clouds, NTU_CAMERA, NTU_UNIT, meta)
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
    from mmpointvideo.simulation import NTU_BODY, NTU_CAMERA, SensorNoise, load_ntu_skeleton

    settings = noise_settings(noise, store_path)
    conversion = dict(source='skeleton', **settings, **source_mark(path))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    joints, skeleton = load_ntu_skeleton(path)
    sensor = SensorNoise.kinect(1000.0) if noise == 'kinect' else None
    write_simulated(
        store_path, joints, skeleton, NTU_CAMERA, NTU_BODY, sensor, NTU_UNIT, conversion
    )
    return describe_store(store_path, 'converted')
