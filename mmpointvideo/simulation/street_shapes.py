"""Coloured and labelled solids that a street is built of.

Axes everywhere in the street simulation: x to the left, y **down**, z forward, metres, and the
ground of the road is ``y = 0``. They are the axes in which the published SYNTHIA scripts read a
camera's points, ``(-(u - cx) / f * d, (v - cy) / f * d, d)``; the frame is left-handed, as that
of the game engine behind SYNTHIA.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np


class Label(IntEnum):
    """Label ids in SYNTHIA's raw label images."""

    VOID = 0
    SKY = 1
    BUILDING = 2
    ROAD = 3
    SIDEWALK = 4
    FENCE = 5
    VEGETATION = 6
    POLE = 7
    CAR = 8
    TRAFFIC_SIGN = 9
    PEDESTRIAN = 10
    BICYCLE = 11
    LANE_MARKING = 12
    TRAFFIC_LIGHT = 15


class Kind(IntEnum):
    """Form of a solid in its own axes, of half sizes ``(a, b, c)``.

    A capsule of half sizes ``(r, h, r)`` is all that is within ``r`` of the middle ``2 h`` of its
    y axis. A cylinder's axis is y, its section the ellipse ``(a, c)``.
    """

    BOX = 0
    ELLIPSOID = 1
    CYLINDER = 2
    CAPSULE = 3


class Texture(IntEnum):
    """How a surface's colour varies."""

    PLAIN = 0
    FACADE = 1
    FOLIAGE = 2
    ASPHALT = 3
    PAVING = 4


class Shapes(NamedTuple):
    """N solids as arrays.

    Attributes:
        kind: ``(N,)`` int64, :class:`Kind`.
        center: ``(N, 3)`` float64, metres.
        rotation: ``(N, 3, 3)`` float64; columns are the solid's own axes.
        half: ``(N, 3)`` float64, half sizes in metres.
        color: ``(N, 3)`` float64 in 0..1.
        label: ``(N,)`` int64, :class:`Label`.
        texture: ``(N,)`` int64, :class:`Texture`.
        instance: ``(N,)`` int64; 0 for what is no countable object.
    """

    kind: np.ndarray
    center: np.ndarray
    rotation: np.ndarray
    half: np.ndarray
    color: np.ndarray
    label: np.ndarray
    texture: np.ndarray
    instance: np.ndarray

    def moved(self, yaw: float, translation: np.ndarray) -> Shapes:
        """The same solids turned about y, then moved."""
        turn = yaw_rotation(yaw)
        return self._replace(
            center=self.center @ turn.T + translation, rotation=turn @ self.rotation
        )

    @classmethod
    def concatenate(cls, parts: list[Shapes]) -> Shapes:
        """All solids of several sets."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def yaw_rotation(yaw: float) -> np.ndarray:
    """Rotation ``(3, 3)`` about y; forward becomes ``(sin(yaw), 0, cos(yaw))``, so +90 degrees
    turn to the left.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _rotation_from_y(axis: np.ndarray) -> np.ndarray:
    """A rotation ``(3, 3)`` whose second column is the direction ``axis``."""
    second = axis / np.linalg.norm(axis)
    helper = np.eye(3)[np.argmin(np.abs(second))]
    first = np.cross(second, helper)
    first /= np.linalg.norm(first)
    return np.stack([first, second, np.cross(first, second)], axis=1)


class ShapeList:
    """Collects solids. Heights are given upward, as people think of them.

    Args:
        instance: Instance id of every solid added.
    """

    def __init__(self, instance: int = 0) -> None:
        self.instance = instance
        self._rows: list[tuple] = []

    def __len__(self) -> int:
        return len(self._rows)

    def _add(self, kind, center, rotation, half, label, color, texture) -> None:
        self._rows.append((kind, center, rotation, half, color, label, texture, self.instance))

    def solid(
        self,
        kind: Kind,
        left: float,
        bottom: float,
        forward: float,
        size: tuple[float, float, float],
        label: Label,
        color: tuple[float, float, float] | np.ndarray,
        yaw: float = 0.0,
        texture: Texture = Texture.PLAIN,
    ) -> None:
        """Add an upright solid.

        Args:
            kind: Its form.
            left: Where its middle is, x in metres.
            bottom: Height of its lowest point over the ground.
            forward: Where its middle is, z in metres.
            size: Full width (x), height and length (z) before turning.
            label: What it is.
            color: RGB in 0..1.
            yaw: Turn about the vertical, in radians.
            texture: How its colour varies.
        """
        center = np.array([left, -(bottom + size[1] / 2), forward])
        half = np.array(size) / 2
        self._add(kind, center, yaw_rotation(yaw), half, label, color, texture)

    def box(self, left, bottom, forward, size, label, color, yaw=0.0, texture=Texture.PLAIN):
        """Add an upright box; arguments as those of :meth:`solid`."""
        self.solid(Kind.BOX, left, bottom, forward, size, label, color, yaw, texture)

    def slab(
        self,
        lefts: tuple[float, float],
        forwards: tuple[float, float],
        heights: tuple[float, float],
        label: Label,
        color: tuple[float, float, float] | np.ndarray,
        texture: Texture = Texture.PLAIN,
    ) -> None:
        """Add a box by its limits in x, z and height."""
        (x0, x1), (z0, z1), (h0, h1) = sorted(lefts), sorted(forwards), heights
        size = (x1 - x0, h1 - h0, z1 - z0)
        self.box((x0 + x1) / 2, h0, (z0 + z1) / 2, size, label, color, 0.0, texture)

    def rod(
        self,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        radius: float,
        label: Label,
        color: tuple[float, float, float] | np.ndarray,
    ) -> None:
        """Add a capsule between two points (left, height, forward)."""
        a = np.array([start[0], -start[1], start[2]])
        b = np.array([end[0], -end[1], end[2]])
        length = float(np.linalg.norm(b - a))
        rotation = _rotation_from_y(b - a) if length > 1e-9 else np.eye(3)
        half = np.array([radius, length / 2, radius])
        self._add(Kind.CAPSULE, (a + b) / 2, rotation, half, label, color, Texture.PLAIN)

    def shapes(self) -> Shapes:
        """The solids added so far."""
        if not self._rows:
            raise ValueError('no solid was added')
        columns = [np.array(column) for column in zip(*self._rows, strict=True)]
        kinds = (np.int64, *[np.float64] * 4, *[np.int64] * 3)
        return Shapes(*(c.astype(k) for c, k in zip(columns, kinds, strict=True)))
