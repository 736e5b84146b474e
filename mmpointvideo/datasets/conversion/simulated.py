"""What converters of skeletons share: the simulated sensor's depth into a frame store."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from mmpointvideo.datasets.storage import PointVideoWriter

from .runner import note_empty_frames, video_name

if TYPE_CHECKING:
    from mmpointvideo.simulation import BodyModel, DepthCamera, SensorNoise, SkeletonReport

NOISES = ('none', 'kinect')


def check_noise(noise: str, source: str) -> None:
    """Refuse the option ``--noise`` for videos that are not simulated.

    Args:
        noise: Its value.
        source: Kind of the videos.

    Raises:
        ValueError: If it would be ignored.
    """
    if noise != 'none' and source != 'skeleton':
        raise ValueError(
            f'--noise {noise}: for skeletons, whose depth is simulated, but the videos are '
            f'{source!r}: leave it out'
        )


def noise_settings(noise: str, store_path: str | os.PathLike) -> dict[str, Any]:
    """What a store notes about its noise: the kind and, if there is any, its seed.

    Args:
        noise: One of ``NOISES``.
        store_path: Where the store shall be; the video's whole name gives the seed.

    Raises:
        ValueError: If the noise is unknown.
    """
    if noise not in NOISES:
        raise ValueError(f'noise: expected one of {NOISES}, got {noise!r}')
    if noise == 'none':
        return dict(noise=noise)
    return dict(noise=noise, noise_seed=zlib.crc32(video_name(store_path).encode()))


def write_simulated(
    store_path: str | os.PathLike,
    joints: np.ndarray,
    skeleton: SkeletonReport,
    camera: DepthCamera,
    body: BodyModel,
    noise: SensorNoise | None,
    unit: str,
    conversion: dict[str, Any],
) -> None:
    """Write what a depth camera sees of a body, one frame in memory at a time.

    Args:
        store_path: Where the store shall be.
        joints: ``(T, J, 3)`` of the usable frames.
        skeleton: What was kept and repaired of the sequence.
        camera: The camera.
        body: The body's shape.
        noise: Of the sensor; None for exact depth.
        unit: Of the depth.
        conversion: Source and options, as an interrupted run looks for them, those of
            :func:`noise_settings` among them.

    Raises:
        ValueError: If no frame has any point.
        ImportError: If numba, which the simulated sensor needs, is missing.
    """
    from mmpointvideo.simulation import PART_NAMES, simulate_depth_video

    repairs = [] if skeleton.is_clean else [skeleton.summary()]
    counts = []
    with PointVideoWriter(
        store_path,
        camera=camera.to_dict(),
        channels=dict(part='uint8'),
        unit=unit,
        meta=dict(
            conversion=conversion,
            part_names=list(PART_NAMES),
            source_frames=[int(i) for i in skeleton.kept],
        ),
    ) as writer:
        for depth, part in simulate_depth_video(
            joints,
            camera=camera,
            body=body,
            noise=noise,
            seed=conversion.get('noise_seed', 0),
        ):
            writer.append_depth(depth, dict(part=part))
            counts.append(int(np.count_nonzero(depth)))
        note_empty_frames(counts, repairs)
        writer.update_meta(repairs=repairs)
