"""A street as SYNTHIA's vehicle sees it: RGB, depth and labels of four views a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .street_layout import CityBlock, make_city_block
from .street_shapes import Label, Shapes, yaw_rotation

#: View name to its yaw relative to the vehicle: front, left, right, back.
OMNI_VIEWS: dict[str, float] = {
    'Omni_F': 0.0,
    'Omni_L': math.pi / 2,
    'Omni_R': -math.pi / 2,
    'Omni_B': math.pi,
}
#: Changes when the same seed gives another street, so that stored ones are made anew.
STREETS_VERSION = 1
MAX_DEPTH = int(np.iinfo(np.uint16).max)


@dataclass(frozen=True)
class ViewImages:
    """What one camera sees.

    Attributes:
        rgb: ``(H, W, 3)`` uint8.
        depth: ``(H, W)`` uint16, centimetres along the optical axis; 65535 is the sky.
        label: ``(H, W)`` uint8, SYNTHIA's raw ids.
        instance: ``(H, W)`` uint16, 0 for what is no countable object.
        pose: ``(4, 4)`` float64, from the camera's axes (left, down, forward) to the world.
    """

    rgb: np.ndarray
    depth: np.ndarray
    label: np.ndarray
    instance: np.ndarray
    pose: np.ndarray


@dataclass(frozen=True)
class OmniCamera:
    """Four cameras at one place.

    Args:
        width: Image columns.
        height: Image rows.
        focal: Focal length in pixels; default ``width / 2``: 90 degrees across, so that the four
            views meet.
        above_ground: Height in metres.
    """

    width: int = 256
    height: int = 152
    focal: float | None = None
    above_ground: float = 2.0

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.above_ground <= 0:
            raise ValueError(f'camera: expected a size >= 2 and a height > 0, got {self}')
        focal = self.width / 2 if self.focal is None else float(self.focal)
        if not focal > 0:
            raise ValueError(f'focal: expected above 0, got {self.focal}')
        object.__setattr__(self, 'focal', focal)

    @property
    def center(self) -> tuple[float, float]:
        """Principal point (cx, cy)."""
        return self.width / 2, self.height / 2


@dataclass(frozen=True)
class Light:
    """Sun, sky and haze of a street."""

    sun: np.ndarray
    ambient: float
    tint: np.ndarray
    horizon: np.ndarray
    zenith: np.ndarray
    haze: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Light:
        """A time of day and a weather."""
        high, around = rng.uniform(0.5, 1.3), rng.uniform(0, 2 * math.pi)
        flat = math.cos(high)
        sun = np.array([flat * math.cos(around), -math.sin(high), flat * math.sin(around)])
        level = rng.uniform(0.75, 1.1)
        warm = rng.uniform(-0.08, 0.08)
        tint = level * np.array([1 + warm, 1.0, 1 - warm])
        horizon = np.clip(np.array([0.80, 0.84, 0.88]) * tint, 0, 1)
        zenith = np.clip(np.array([0.42, 0.58, 0.82]) * tint, 0, 1)
        return cls(sun, rng.uniform(0.4, 0.65), tint, horizon, zenith, rng.uniform(150.0, 600.0))


class StreetSimulator:
    """A seeded city block and the drive through it.

    Args:
        seed: Seed of the block; anything ``numpy.random.default_rng`` takes.
        num_frames: Length of the drive.
        camera: The four cameras.
        frame_rate: Frames per second; SYNTHIA's sequences have 5.

    Examples:
        >>> street = StreetSimulator(seed=0, num_frames=2, camera=OmniCamera(32, 24))
        >>> street.render(1)['Omni_F'].depth.shape
        (24, 32)
    """

    def __init__(
        self,
        seed: Any,
        num_frames: int = 24,
        camera: OmniCamera | None = None,
        frame_rate: float = 5.0,
    ) -> None:
        if num_frames < 1 or not frame_rate > 0:
            raise ValueError(
                f'expected num_frames >= 1 and frame_rate > 0, got {num_frames}, {frame_rate}'
            )
        rng = np.random.default_rng(seed)
        self.num_frames = num_frames
        self.camera = camera or OmniCamera()
        self.frame_rate = frame_rate
        self.block: CityBlock = make_city_block(rng, num_frames / frame_rate)
        self.light = Light.draw(rng)
        # the block lies somewhere in the world, its streets nearly along the world's axes
        self.yaw = float(rng.integers(4) * math.pi / 2 + rng.uniform(-0.15, 0.15))
        self.origin = np.array([rng.uniform(-200, 200), 0.0, rng.uniform(-200, 200)])

    def shapes(self, frame: int) -> Shapes:
        """All solids of a frame, in the world."""
        return self.block.shapes(frame / self.frame_rate).moved(self.yaw, self.origin)

    def pose(self, frame: int, view: str) -> np.ndarray:
        """Camera to world, ``(4, 4)``: ``world = pose[:3, :3] @ (left, down, forward) + t``."""
        if not 0 <= frame < self.num_frames:
            raise IndexError(f'frame: expected 0..{self.num_frames - 1}, got {frame}')
        x, z, yaw = self.block.path.pose(frame / self.frame_rate)
        local = np.array([x, -self.camera.above_ground, z])
        pose = np.eye(4)
        pose[:3, :3] = yaw_rotation(self.yaw + yaw + OMNI_VIEWS[view])
        pose[:3, 3] = yaw_rotation(self.yaw) @ local + self.origin
        return pose

    def render(self, frame: int) -> dict[str, ViewImages]:
        """The four views of a frame, by name."""
        shapes = self.shapes(frame)
        return {
            view: render_view(shapes, self.pose(frame, view), self.camera, self.light)
            for view in OMNI_VIEWS
        }


def render_view(
    shapes: Shapes, pose: np.ndarray, camera: OmniCamera, light: Light | None = None
) -> ViewImages:
    """Look at some solids.

    Args:
        shapes: The solids, in the world.
        pose: ``(4, 4)`` camera to world, see :meth:`StreetSimulator.pose`.
        camera: The camera.
        light: Sun and sky; default a sun behind the observer.

    Raises:
        ImportError: If numba is not installed.
    """
    try:
        from .street_raycast import cast, shade
    except ImportError as error:
        raise ImportError(
            "simulating streets needs numba: pip install 'mmpointvideo[fast]' "
            f'(or pip install numba). The import failed with: {error}'
        ) from error
    if light is None:
        light = Light(
            np.array([0.3, -0.8, -0.52]), 0.5, np.ones(3), np.ones(3), np.full(3, 0.7), 1e4
        )
    size = (camera.height, camera.width)
    depth, index = np.full(size, np.inf), np.full(size, -1, np.int64)
    view, eye = np.ascontiguousarray(pose[:3, :3]), np.ascontiguousarray(pose[:3, 3])
    lens = (camera.focal, *camera.center)
    rgb = np.empty((*size, 3), np.uint8)
    form = (shapes.kind, shapes.center, shapes.rotation, shapes.half)
    cast(*form, eye, view, *lens, depth, index)
    shade(
        *form, shapes.color, shapes.texture, eye, view, *lens, depth, index, light.sun,
        light.ambient, light.tint, light.horizon, light.zenith, light.haze, rgb,
    )  # fmt: skip
    hit = index >= 0
    # +1: the last entries stand for index -1, the sky
    label = np.append(shapes.label, int(Label.SKY))[index].astype(np.uint8)
    instance = np.append(shapes.instance, 0)[index].astype(np.uint16)
    centimetres = np.full(size, MAX_DEPTH, np.uint16)
    centimetres[hit] = np.minimum(np.rint(100 * depth[hit]), MAX_DEPTH)
    return ViewImages(rgb, centimetres, label, instance, pose)
