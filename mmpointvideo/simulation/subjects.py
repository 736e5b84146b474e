"""People of the built-in data set: how they are built, move and stand before the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Subject:
    """One person. Factors are relative to the average person of 1.78 m.

    Args:
        index: Number in the data set, from 1.
        size: All bone lengths.
        leg: Thighs and shins.
        arm: Upper arms and forearms.
        shoulder: Width of shoulders and hips.
        girth: Thickness of the body's capsules.
        speed: How fast actions are done.
        amplitude: How far movements go.
        sway: Idle motion of trunk and hands.
        stoop: Forward lean of the trunk in radians.
        left_handed: Does everything mirrored.
        yaw: Usual direction in radians; 0 faces the camera, positive turns to the own left.
        distance: Of the hip centre from the camera, in depth units.
        offset: Of the hip centre from the optical axis, (right, down), in depth units.
    """

    index: int
    size: float = 1.0
    leg: float = 1.0
    arm: float = 1.0
    shoulder: float = 1.0
    girth: float = 1.0
    speed: float = 1.0
    amplitude: float = 1.0
    sway: float = 1.0
    stoop: float = 0.0
    left_handed: bool = False
    yaw: float = 0.0
    distance: float = 700.0
    offset: tuple[float, float] = (0.0, 12.0)


def sample_subject(index: int, seed: int = 0) -> Subject:
    """The ``index``-th person of data set ``seed``; does not depend on the other people."""
    rng = np.random.default_rng([seed, index])

    def within(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return Subject(
        index=index,
        size=within(0.84, 1.1),
        leg=within(0.95, 1.06),
        arm=within(0.93, 1.07),
        shoulder=within(0.88, 1.1),
        girth=within(0.85, 1.2),
        speed=within(0.8, 1.25),
        amplitude=within(0.75, 1.1),
        sway=within(0.5, 1.6),
        stoop=within(-0.05, 0.12),
        left_handed=bool(rng.random() < 0.3),
        yaw=within(-0.45, 0.45),
        distance=within(680.0, 790.0),
        offset=(within(-60.0, 60.0), within(0.0, 20.0)),
    )
