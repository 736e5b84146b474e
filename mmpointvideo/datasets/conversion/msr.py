"""MSR-Action3D videos into frame stores: raw depth, published points, simulated depth."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mmpointvideo.datasets.formats import iter_msr_frames, read_msr_header, read_published_npz
from mmpointvideo.datasets.storage import PointVideoWriter

from .clouds import leave_out_nan, write_clouds
from .report import VideoReport
from .runner import describe_store, existing_report, note_empty_frames, source_mark
from .simulated import noise_settings, write_simulated

MSR_FOCAL = 280.0
MSR_UNIT = 'msr_depth'
MSR_SIZE = (320, 240)


def msr_camera(width: int, height: int) -> dict[str, float]:
    """The camera that the published points assume, for an image of this size."""
    return dict(width=width, height=height, focal=MSR_FOCAL, cx=width / 2, cy=height / 2)


def convert_msr_bin(
    bin_path: str | os.PathLike, store_path: str | os.PathLike, overwrite: bool = False
) -> VideoReport:
    """Convert a raw depth video, frame by frame.

    Args:
        bin_path: ``aAA_sSS_eEE_sdepth.bin``.
        store_path: Where the store shall be.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an intact raw video, or no frame has any point.
    """
    conversion = dict(source='bin', **source_mark(bin_path))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    header = read_msr_header(bin_path)
    counts = [int(np.count_nonzero(depth)) for depth in iter_msr_frames(bin_path)]
    repairs: list[str] = []
    note_empty_frames(counts, repairs)
    with PointVideoWriter(
        store_path,
        camera=msr_camera(header.width, header.height),
        unit=MSR_UNIT,
        meta=dict(conversion=conversion, repairs=repairs),
    ) as writer:
        for depth in iter_msr_frames(bin_path):
            writer.append_depth(depth)
    return describe_store(store_path, 'converted')


def convert_msr_npz(
    npz_path: str | os.PathLike, store_path: str | os.PathLike, overwrite: bool = False
) -> VideoReport:
    """Convert published points; the pickle inside never runs.

    Published points are depth pixels carried to 3D. Where all of them can be carried back exactly
    the store holds depth, otherwise the points as float32; the report's ``encoding`` says which.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an intact published file, or no frame has any point.
    """
    conversion = dict(source='npz', **source_mark(npz_path))
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    clouds = read_published_npz(npz_path)
    repairs: list[str] = []
    leave_out_nan(clouds, repairs)
    note_empty_frames([len(cloud) for cloud in clouds], repairs)
    meta = dict(conversion=conversion, repairs=repairs)
    write_clouds(store_path, clouds, msr_camera(*MSR_SIZE), MSR_UNIT, meta)
    return describe_store(store_path, 'converted')


def convert_msr_skeleton(
    source: str | os.PathLike,
    store_path: str | os.PathLike,
    member: str | None = None,
    noise: str = 'none',
    overwrite: bool = False,
) -> VideoReport:
    """Simulate the depth video of a real skeleton sequence.

    The store has a channel ``part``: the true body part of every point.

    Args:
        source: A ``aAA_sSS_eEE_skeleton.txt`` file, or a ZIP file with ``member`` in it.
        store_path: Where the store shall be.
        member: Name inside the ZIP file.
        noise: ``'none'``: exact depth, rounded; ``'kinect'``: with a Kinect's faults, seeded by
            the video's name.
        overwrite: Convert even if an intact store of this source is there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a skeleton file, or too few frames are usable.
        ImportError: If numba, which the simulated sensor needs, is missing.
    """
    from mmpointvideo.simulation import MSR_BODY, MSR_CAMERA, SensorNoise, repair_skeleton
    from mmpointvideo.simulation.skeletons import msr_to_joints, parse_msr_skeleton

    settings = noise_settings(noise, store_path)
    text, mark = _read_text(source, member)
    conversion = dict(source='skeleton', **settings, **mark)
    done = None if overwrite else existing_report(store_path, conversion)
    if done:
        return done
    name = member or str(source)
    joints, skeleton = repair_skeleton(msr_to_joints(parse_msr_skeleton(text, name)), name=name)
    sensor = SensorNoise.kinect() if noise == 'kinect' else None
    write_simulated(
        store_path, joints, skeleton, MSR_CAMERA, MSR_BODY, sensor, MSR_UNIT, conversion
    )
    return describe_store(store_path, 'converted')


def _read_text(source: str | os.PathLike, member: str | None) -> tuple[str, dict[str, Any]]:
    """Text of a skeleton file or of a member of a ZIP file, and what marks this version of it."""
    from mmpointvideo.simulation.skeletons import MAX_TEXT_BYTES

    if member is None:
        mark = source_mark(source)
        size = mark['size']
        data = Path(source).read_bytes() if size <= MAX_TEXT_BYTES else b''
    else:
        with zipfile.ZipFile(source) as archive:
            info = archive.getinfo(member)
            size = info.file_size
            mark = dict(name=member, size=size, crc=info.CRC)
            data = archive.read(info) if size <= MAX_TEXT_BYTES else b''
    name = member or source
    if size > MAX_TEXT_BYTES:
        raise ValueError(f'{name}: expected a skeleton file below {MAX_TEXT_BYTES} bytes')
    try:
        return data.decode('ascii'), mark
    except UnicodeDecodeError:
        raise ValueError(f'{name}: expected a text file of numbers, got binary data') from None
