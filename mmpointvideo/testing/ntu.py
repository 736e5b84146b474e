"""Raw NTU RGB+D videos made up on disk, in any of the three forms."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SOURCES = ('depth', 'npz', 'skeleton')


def ntu_joints(name: str, num_frames: int) -> np.ndarray:
    """A motion of a Kinect v2 skeleton; the video's name decides on person and action.

    Args:
        name: Like ``S001C002P003R002A013``.
        num_frames: T.

    Returns:
        ``(T, 25, 3)`` millimetres, axes of the camera (x right, y down, z away).
    """
    from mmpointvideo.datasets.ntu_rgbd_facts import parse_name
    from mmpointvideo.simulation import (
        ACTION_CLASSES,
        MSR_BODY,
        NTU_BODY,
        generate_action,
        sample_subject,
    )

    video = parse_name(name)
    action = ACTION_CLASSES[video['action'] % len(ACTION_CLASSES)]
    joints = generate_action(action, sample_subject(video['subject']), video['replication'])
    frames = np.linspace(0, len(joints) - 1, num_frames).round().astype(int)
    same = dict(hip_centre='spine_base', spine='spine_mid')
    index = {same.get(joint, joint): i for i, joint in enumerate(MSR_BODY.joint_names)}
    index['spine_shoulder'] = index['neck']
    for side in ('left', 'right'):
        index[f'{side}_hand_tip'] = index[f'{side}_thumb'] = index[f'{side}_hand']
    order = [index[joint] for joint in NTU_BODY.joint_names]
    return joints[frames][:, order] * 4.0  # about 4 mm a unit


def ntu_depth(name: str, num_frames: int, noise: bool = True) -> list[np.ndarray]:
    """The masked depth of that motion: T images ``(424, 512)`` uint16, millimetres.

    Raises:
        ImportError: If numba, which the simulated sensor needs, is missing.
    """
    from mmpointvideo.simulation import NTU_BODY, NTU_CAMERA, SensorNoise, simulate_depth_video

    sensor = SensorNoise.kinect(1000.0) if noise else None
    frames = simulate_depth_video(ntu_joints(name, num_frames), NTU_CAMERA, NTU_BODY, sensor)
    return [depth for depth, _ in frames]


def write_ntu_raw(
    root: str | os.PathLike,
    names: Sequence[str],
    num_frames: int = 12,
    source: str = 'depth',
    noise: bool = True,
) -> Path:
    """Write raw videos as NTU RGB+D is around.

    Args:
        root: Folder; made if missing.
        names: Names of the videos, like ``S001C002P003R002A013``.
        num_frames: T of every video.
        source: ``'depth'``: a folder of 16-bit PNG images a video; ``'npz'``: the published point
            clouds, as float64 pickles; ``'skeleton'``: ``.skeleton`` files.
        noise: Whether the simulated sensor has a Kinect's noise.

    Returns:
        ``root``.

    Raises:
        ValueError: If ``source`` is unknown or a name no video's.
        ImportError: If numba or OpenCV is missing.
    """
    if source not in SOURCES:
        raise ValueError(f'source: expected one of {SOURCES}, got {source!r}')
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        if source == 'skeleton':
            _write_skeleton(root / f'{name}.skeleton', ntu_joints(name, num_frames))
            continue
        images = ntu_depth(name, num_frames, noise)
        if source == 'npz':
            write_ntu_npz(root / f'{name}.npz', images)
            continue
        from mmpointvideo.datasets.formats.ntu_depth import write_ntu_frame

        (root / name).mkdir(exist_ok=True)
        for index, image in enumerate(images, start=1):
            write_ntu_frame(root / name / f'MDepth-{index:08d}.png', image)
    return root


def write_ntu_npz(path: str | os.PathLike, images: Sequence[np.ndarray]) -> None:
    """Write the published point clouds of depth images: ``data``, one (n, 3) array a frame."""
    clouds = np.empty(len(images), object)
    for index, image in enumerate(images):
        v, u = np.nonzero(image)
        z = (image[v, u].astype(np.float32) / np.float32(65535)).astype(np.float64)
        clouds[index] = np.stack([(u - 256) / 280 * z, (v - 212) / 280 * z, z], axis=1)
    np.savez_compressed(path, data=clouds)


def _write_skeleton(path: Path, joints: np.ndarray) -> None:
    lines = [str(len(joints))]
    for frame in joints * (1e-3, -1e-3, 1e-3):
        lines += ['1', '72057594037927936 0 1 1 1 1 0 0.1 -0.2 2', '25']
        lines += [f'{x:.7f} {y:.7f} {z:.7f} 250 200 900 500 0 0 0 1 2' for x, y, z in frame]
    path.write_text('\n'.join(lines) + '\n')
