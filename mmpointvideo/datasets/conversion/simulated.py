"""What converters of skeletons share: the simulated sensor's depth into a frame store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mmpointvideo.datasets.storage import PointVideoWriter

from .runner import note_empty_frames, video_name

if TYPE_CHECKING:
    from mmpointvideo.simulation import BodyModel, DepthCamera, SensorNoise, SkeletonReport

NOISES = ('none', 'kinect')


def check_noise(noise: str) -> None:
    """Refuse an unknown kind of noise.

    Raises:
        ValueError: If it is not one of ``NOISES``.
    """
    if noise not in NOISES:
        raise ValueError(f'noise: expected one of {NOISES}, got {noise!r}')


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
        store_path: Where the store shall be; its name seeds the noise.
        joints: ``(T, J, 3)`` of the usable frames.
        skeleton: What was kept and repaired of the sequence.
        camera: The camera.
        body: The body's shape.
        noise: Of the sensor; None for exact depth.
        unit: Of the depth.
        conversion: Source and options, as an interrupted run looks for them.

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
            seed=int.from_bytes(video_name(store_path).encode()[-8:], 'little'),
        ):
            writer.append_depth(depth, dict(part=part))
            counts.append(int(np.count_nonzero(depth)))
        note_empty_frames(counts, repairs)
        writer.update_meta(repairs=repairs)
