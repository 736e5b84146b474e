"""A raw SYNTHIA sequence of known geometry, for the tests."""

from pathlib import Path

import numpy as np

from mmpointvideo.datasets.formats.synthia import VIEWS, SynthiaCamera, write_intrinsics, write_view
from mmpointvideo.simulation.street_shapes import Label, ShapeList, Shapes, yaw_rotation
from mmpointvideo.simulation.streets import OMNI_VIEWS, OmniCamera, render_view

CAMERA = OmniCamera(64, 48)
BOX_MIDDLE, BOX_SIZE, BOX_YAW = np.array([103.0, -1.5, -42.0]), (3.0, 3.0, 2.0), 0.4
WALL_Z = -55.0


def known_scene() -> Shapes:
    """A road at y = 0, a wall at z = -55 that faces +z, and a turned box; far from the origin."""
    out = ShapeList()
    out.slab((60, 140), (-90, -10), (-1.0, 0.0), Label.ROAD, (0.4, 0.4, 0.4))
    out.slab((80, 120), (WALL_Z - 1, WALL_Z), (0.0, 12.0), Label.BUILDING, (0.7, 0.5, 0.4))
    box = (BOX_MIDDLE[0], 0.0, BOX_MIDDLE[2])
    out.box(*box, BOX_SIZE, Label.CAR, (0.8, 0.1, 0.1), BOX_YAW)
    return out.shapes()


def observer_pose(frame: int, view: str) -> np.ndarray:
    """The vehicle passes the box and turns a little."""
    pose = np.eye(4)
    pose[:3, :3] = yaw_rotation(0.3 + 0.2 * frame + OMNI_VIEWS[view])
    pose[:3, 3] = (98.0 + 1.5 * frame, -2.0, -45.0 + 0.5 * frame)
    return pose


def write_known_sequence(root: Path, num_frames: int = 2) -> None:
    """Write the scene as a raw sequence below ``root``."""
    write_intrinsics(root, SynthiaCamera(float(CAMERA.focal or 0), *CAMERA.center))
    shapes = known_scene()
    for frame in range(num_frames):
        for view in VIEWS:
            images = render_view(shapes, observer_pose(frame, view), CAMERA)
            write_view(root, view, frame, vars(images))
