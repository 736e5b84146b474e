"""What a depth camera sees of a body: depth maps and the true body part of every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bodies import MSR_BODY, BodyModel
from .camera import MSR_CAMERA, DepthCamera

MAX_DEPTH = int(np.iinfo(np.uint16).max)


@dataclass(frozen=True)
class SensorNoise:
    """Faults of a structured-light depth sensor; lengths in the unit of the depth.

    Defaults of :meth:`kinect` follow Nguyen et al., "Modeling Kinect Sensor Noise for Improved
    3D Reconstruction and Tracking" (3DIMPVT 2012): axial noise grows with the square of the
    depth, about 10 mm at 2.6 m.

    Args:
        axial_std: Standard deviation of the depth at ``reference``.
        reference: Depth at which ``axial_std`` and ``disparity_step`` are given.
        disparity_step: Depth between neighbouring disparities at ``reference``; 0 for none. The
            depths that the sensor can tell apart lie evenly in 1/z.
        quantization: Depths are rounded to multiples of this, 1 or more.
        edge_dropout: Probability that a pixel at a silhouette or depth edge is lost.
        edge_threshold: Depth difference between neighbours that makes an edge.
        dropout: Probability that any pixel is lost.
    """

    axial_std: float = 0.0
    reference: float = 650.0
    disparity_step: float = 0.0
    quantization: int = 1
    edge_dropout: float = 0.0
    edge_threshold: float = 20.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.axial_std, self.disparity_step) < 0 or self.reference <= 0:
            raise ValueError(f'expected axial_std, disparity_step >= 0, reference > 0: {self}')
        if self.quantization < 1 or self.quantization != int(self.quantization):
            raise ValueError(f'quantization: expected an integer >= 1, got {self.quantization}')
        if not (0 <= self.edge_dropout <= 1 and 0 <= self.dropout <= 1):
            raise ValueError(f'edge_dropout, dropout: expected probabilities, got {self}')

    @classmethod
    def kinect(cls, units_per_metre: float = 250.0) -> SensorNoise:
        """Noise of a first-generation Kinect; ``units_per_metre`` is 1000 for millimetres."""
        return cls(
            axial_std=0.010 * units_per_metre,
            reference=2.6 * units_per_metre,
            edge_dropout=0.3,
            edge_threshold=0.08 * units_per_metre,
            dropout=0.002,
        )

    def apply(self, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Spoil a depth map.

        Args:
            depth: ``(H, W)`` float64, infinity is background.
            rng: Source of the noise.

        Returns:
            ``(H, W)`` float64 with integer values, infinity where nothing was measured.
        """
        seen = np.isfinite(depth)
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        out = np.full_like(depth, np.inf)
        if not len(rows):
            return out
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        crop, mask = depth[box], seen[box].copy()
        if self.edge_dropout:
            edge = _edges(crop, self.edge_threshold)
            mask &= ~(edge & (rng.random(crop.shape) < self.edge_dropout))
        if self.dropout:
            mask &= rng.random(crop.shape) >= self.dropout
        z = crop[mask]
        if self.axial_std:
            z = z + rng.standard_normal(len(z)) * (self.axial_std * (z / self.reference) ** 2)
        z = np.maximum(z, 1.0)
        if self.disparity_step:
            scale = self.reference**2 / self.disparity_step
            z = scale / np.maximum(np.rint(scale / z), 1.0)
        step = self.quantization
        out[box][mask] = np.maximum(np.rint(np.rint(z / step) * step), step)
        return out


def _edges(depth: np.ndarray, threshold: float) -> np.ndarray:
    """Pixels with a 4-neighbour that differs by more than ``threshold``; outside is far away."""
    padded = np.pad(np.where(np.isfinite(depth), depth, 1e9), 1, constant_values=1e9)
    centre = padded[1:-1, 1:-1]
    edge = np.zeros(depth.shape, dtype=bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        height, width = depth.shape
        other = padded[rows : rows + height, columns : columns + width]
        edge |= np.abs(other - centre) > threshold
    return edge


def _raycast() -> Any:
    try:
        from .raycast import raycast
    except ImportError as error:
        raise ImportError(
            "simulating a depth sensor needs numba: pip install 'mmpointvideo[fast]' "
            f'(or pip install numba). The import failed with: {error}'
        ) from error
    return raycast


def render_depth(
    joints: np.ndarray, camera: DepthCamera = MSR_CAMERA, body: BodyModel = MSR_BODY
) -> tuple[np.ndarray, np.ndarray]:
    """Exact depth of one frame.

    Args:
        joints: ``(J, 3)`` joint positions in camera axes (x right, y down, z away).
        camera: The camera.
        body: The capsules over the joints.

    Returns:
        Depth ``(H, W)`` float64, infinity where there is nothing, and the body part ``(H, W)``
        uint8 (see :data:`~mmpointvideo.simulation.bodies.PART_NAMES`), 0 where there is nothing.

    Raises:
        ValueError: If the joints do not fit the body or are not finite.
        ImportError: If numba is missing.
    """
    joints = np.ascontiguousarray(joints, dtype=np.float64)
    if joints.shape != (body.num_joints, 3):
        raise ValueError(
            f'joints: expected shape {(body.num_joints, 3)} for the body {body.name!r}, '
            f'got {joints.shape}'
        )
    if not np.isfinite(joints).all():
        raise ValueError('joints: expected finite coordinates; repair the skeleton first')
    depth = np.full((camera.height, camera.width), np.inf)
    part = np.zeros((camera.height, camera.width), dtype=np.uint8)
    _raycast()(
        joints,
        np.ascontiguousarray(body.capsules, dtype=np.int64),
        np.ascontiguousarray(body.radii, dtype=np.float64),
        np.ascontiguousarray(body.parts, dtype=np.uint8),
        int(camera.width),
        int(camera.height),
        float(camera.focal),
        camera.cx,
        camera.cy,
        depth,
        part,
    )
    return depth, part


def simulate_depth_video(
    joints: np.ndarray,
    camera: DepthCamera = MSR_CAMERA,
    body: BodyModel = MSR_BODY,
    noise: SensorNoise | None = None,
    seed: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What a depth camera would record of a skeleton sequence, frame by frame.

    Args:
        joints: ``(T, J, 3)`` joint positions in camera axes.
        camera: The camera.
        body: The capsules over the joints.
        noise: Sensor faults; None rounds the exact depth to integers.
        seed: Seed of the noise; every frame has its own stream, so frames may be skipped.

    Yields:
        Depth ``(H, W)`` uint16, 0 is background, and the body part ``(H, W)`` uint8, 0 where the
        depth is 0.

    Raises:
        ValueError: If the joints do not fit the body, are not finite, or a depth exceeds 65535.
        ImportError: If numba is missing.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (body.num_joints, 3):
        raise ValueError(
            f'joints: expected shape (T, {body.num_joints}, 3) for the body {body.name!r}, '
            f'got {joints.shape}'
        )
    for index, frame in enumerate(joints):
        depth, part = render_depth(frame, camera, body)
        if noise is None:
            depth = np.rint(depth)
        else:
            depth = noise.apply(depth, np.random.default_rng([seed, index]))
        seen = np.isfinite(depth)
        if seen.any() and depth[seen].max() > MAX_DEPTH:
            raise ValueError(
                f'frame {index}: depth {depth[seen].max():.0f} exceeds {MAX_DEPTH}; '
                'use a larger unit'
            )
        out = np.where(seen, depth, 0.0).astype(np.uint16)
        part[~seen] = 0
        yield out, part
