"""The things that stand and move in a street, each in its own axes: middle of the ground, facing
forward (z), see :mod:`mmpointvideo.simulation.street_shapes`.
"""

from __future__ import annotations

import math

import numpy as np

from .street_shapes import Kind, Label, ShapeList, Shapes, Texture

Color = tuple[float, float, float]

_METAL: Color = (0.35, 0.36, 0.38)
_TYRE: Color = (0.06, 0.06, 0.07)
_GLASS: Color = (0.14, 0.18, 0.22)
_CAR_PAINTS: tuple[Color, ...] = (
    (0.75, 0.75, 0.77),
    (0.10, 0.10, 0.12),
    (0.62, 0.08, 0.09),
    (0.12, 0.20, 0.50),
    (0.88, 0.88, 0.86),
    (0.30, 0.33, 0.30),
    (0.80, 0.62, 0.12),
)
_CLOTHES: tuple[Color, ...] = (
    (0.55, 0.15, 0.16),
    (0.15, 0.22, 0.45),
    (0.20, 0.20, 0.22),
    (0.70, 0.66, 0.55),
    (0.18, 0.40, 0.26),
    (0.80, 0.45, 0.15),
)
_SKINS: tuple[Color, ...] = ((0.86, 0.67, 0.55), (0.60, 0.42, 0.30), (0.36, 0.24, 0.17))


def pick(rng: np.random.Generator, colors: tuple[Color, ...], spread: float = 0.04) -> np.ndarray:
    """One of some colours, a little changed."""
    color = np.array(colors[rng.integers(len(colors))])
    return np.clip(color + rng.uniform(-spread, spread, 3), 0.02, 1.0)


def car(rng: np.random.Generator, instance: int) -> Shapes:
    """A car or a van, about 4.3 m long and 1.75 m wide."""
    out = ShapeList(instance)
    paint = pick(rng, _CAR_PAINTS)
    van = rng.random() < 0.2
    length, width = rng.uniform(3.9, 4.7), rng.uniform(1.68, 1.85)
    height = rng.uniform(1.9, 2.2) if van else rng.uniform(1.4, 1.6)
    belt = 0.62 * height if van else 0.58 * height
    cabin = 0.85 * length if van else 0.55 * length
    shift = -0.05 * length if van else -0.04 * length
    low = belt - 0.25
    out.box(0, 0.25, 0, (width, low, length), Label.CAR, paint)
    out.box(0, belt, shift, (width * 0.9, height - belt - 0.06, cabin), Label.CAR, _GLASS)
    out.box(0, height - 0.06, shift, (width * 0.86, 0.06, cabin * 0.9), Label.CAR, paint)
    for side in (-1, 1):
        for end in (-1, 1):
            where = (side * (width / 2 - 0.08), 0.0, end * 0.31 * length)
            out.solid(Kind.ELLIPSOID, *where, (0.26, 0.64, 0.64), Label.CAR, _TYRE)
        lamp = (side * 0.35 * width, 0.55 * belt, length / 2)
        out.box(*lamp, (0.3, 0.14, 0.04), Label.CAR, (0.95, 0.95, 0.85))
        lamp = (side * 0.38 * width, 0.6 * belt, -length / 2)
        out.box(*lamp, (0.25, 0.14, 0.04), Label.CAR, (0.7, 0.05, 0.05))
    return out.shapes()


def pedestrian(rng: np.random.Generator, instance: int, phase: float) -> Shapes:
    """A walking person.

    Args:
        rng: Source of size and clothes; a copy in the same state gives the same person.
        instance: Instance id.
        phase: Phase of the step, in radians.
    """
    out = ShapeList(instance)
    tall = rng.uniform(1.5, 1.9)
    skin, shirt, trousers = pick(rng, _SKINS), pick(rng, _CLOTHES), pick(rng, _CLOTHES)
    hip, shoulder = 0.52 * tall, 0.80 * tall
    for side in (-1, 1):
        swing = 0.42 * math.sin(phase) * side
        x = side * 0.095
        bend = max(0.0, -swing) * 0.9
        knee = (x, hip - 0.26 * tall * math.cos(swing), 0.26 * tall * math.sin(swing))
        foot = (
            x,
            max(0.06, knee[1] - 0.25 * tall * math.cos(swing - bend)),
            knee[2] + 0.25 * tall * math.sin(swing - bend),
        )
        out.rod((x, hip, 0), knee, 0.085, Label.PEDESTRIAN, trousers)
        out.rod(knee, foot, 0.065, Label.PEDESTRIAN, trousers)
        toe = (x, foot[1], foot[2] + 0.12)
        out.rod(foot, toe, 0.05, Label.PEDESTRIAN, (0.1, 0.09, 0.08))
        x = side * 0.22
        elbow = (x, shoulder - 0.17 * tall * math.cos(swing), -0.17 * tall * math.sin(swing))
        hand = (x, elbow[1] - 0.15 * tall, elbow[2] + 0.06)
        out.rod((x * 0.9, shoulder - 0.02, 0), elbow, 0.055, Label.PEDESTRIAN, shirt)
        out.rod(elbow, hand, 0.045, Label.PEDESTRIAN, skin)
    chest, size = 0.5 * (hip + shoulder), (0.40, shoulder - hip + 0.16, 0.26)
    out.solid(Kind.ELLIPSOID, 0, chest - size[1] / 2, 0, size, Label.PEDESTRIAN, shirt)
    out.rod((0, shoulder, 0), (0, 0.87 * tall, 0), 0.06, Label.PEDESTRIAN, skin)
    head = (0.18, 0.14 * tall, 0.21)
    out.solid(Kind.ELLIPSOID, 0, 0.86 * tall, 0.02, head, Label.PEDESTRIAN, skin)
    return out.shapes()


def bicycle(rng: np.random.Generator, instance: int, rider: bool) -> Shapes:
    """A bicycle, with a rider (labelled as pedestrian) or without."""
    out = ShapeList(instance)
    paint = pick(rng, _CAR_PAINTS)
    for end in (-0.52, 0.52):
        out.solid(Kind.CYLINDER, 0, 0.3, end, (0.05, 0.06, 0.05), Label.BICYCLE, _METAL)
        for turn in np.arange(12) * math.pi / 6:  # the tyre: a ring of rods
            near = (0.0, 0.34 + 0.31 * math.cos(turn), end + 0.31 * math.sin(turn))
            turn += math.pi / 6
            far = (0.0, 0.34 + 0.31 * math.cos(turn), end + 0.31 * math.sin(turn))
            out.rod(near, far, 0.03, Label.BICYCLE, _TYRE)
    seat, crank, bar = (0, 0.90, -0.22), (0, 0.32, -0.02), (0, 0.95, 0.38)
    for start, end_point in (
        (seat, crank), (crank, bar), (bar, (0, 0.75, -0.18)),
        ((0, 0.34, -0.52), (0, 0.75, -0.18)), ((0, 0.34, -0.52), crank), (bar, (0, 0.34, 0.52)),
    ):  # fmt: skip
        out.rod(start, end_point, 0.025, Label.BICYCLE, paint)
    out.rod((-0.26, 1.0, 0.36), (0.26, 1.0, 0.36), 0.02, Label.BICYCLE, _METAL)
    out.solid(Kind.ELLIPSOID, 0, 0.9, -0.22, (0.16, 0.09, 0.26), Label.BICYCLE, _TYRE)
    if rider:
        skin, shirt, trousers = pick(rng, _SKINS), pick(rng, _CLOTHES), pick(rng, _CLOTHES)
        out.rod((0, 1.02, -0.18), (0, 1.42, 0.06), 0.16, Label.PEDESTRIAN, shirt)
        out.solid(Kind.ELLIPSOID, 0, 1.55, 0.12, (0.19, 0.25, 0.22), Label.PEDESTRIAN, skin)
        for side in (-0.1, 0.1):
            lift = 0.5 + 0.8 * side
            out.rod(
                (side, 0.98, -0.15), (side, lift + 0.15, 0.18), 0.08, Label.PEDESTRIAN, trousers
            )
            foot = (side, lift - 0.2, 0.02)
            out.rod((side, lift + 0.15, 0.18), foot, 0.06, Label.PEDESTRIAN, trousers)
            hand = (2.2 * side, 1.02, 0.36)
            out.rod((1.7 * side, 1.4, 0.06), hand, 0.05, Label.PEDESTRIAN, shirt)
    return out.shapes()


def tree(out: ShapeList, rng: np.random.Generator, left: float, forward: float) -> None:
    """A street tree, 4 to 8 m high."""
    height = rng.uniform(4.0, 8.0)
    trunk = rng.uniform(0.35, 0.45) * height
    radius = rng.uniform(0.10, 0.2)
    bark = (0.26, 0.19, 0.13)
    size = (2 * radius, trunk + 0.6, 2 * radius)
    out.solid(Kind.CYLINDER, left, 0.0, forward, size, Label.VEGETATION, bark)
    green = np.array([0.16, 0.30, 0.10]) * rng.uniform(0.7, 1.3)
    for _ in range(int(rng.integers(3, 6))):
        wide, tall = rng.uniform(1.4, 2.6, 2) * (height - trunk) / 3.2
        off = rng.uniform(-0.25, 0.25, 2) * wide
        bottom = trunk + rng.uniform(0.0, 0.6) * max(height - trunk - tall, 0.0)
        where = (left + off[0], bottom, forward + off[1])
        shade = green * rng.uniform(0.85, 1.15)
        out.solid(
            Kind.ELLIPSOID,
            *where,
            (wide, tall, wide),
            Label.VEGETATION,
            shade,
            0.0,
            Texture.FOLIAGE,
        )


def bush(out: ShapeList, rng: np.random.Generator, left: float, forward: float) -> None:
    """A bush, about 1 m high."""
    wide, tall = rng.uniform(0.8, 1.6), rng.uniform(0.7, 1.4)
    green = np.array([0.18, 0.32, 0.12]) * rng.uniform(0.7, 1.3)
    out.solid(
        Kind.ELLIPSOID, left, -0.1, forward, (wide, tall, wide), Label.VEGETATION, green, 0.0,
        Texture.FOLIAGE,
    )  # fmt: skip


def hedge(
    out: ShapeList, rng: np.random.Generator, lefts: tuple[float, float], forward: float
) -> None:
    """A hedge across x."""
    green = np.array([0.14, 0.27, 0.10]) * rng.uniform(0.8, 1.2)
    ends = (forward - 0.3, forward + 0.3)
    top = rng.uniform(0.9, 1.5)
    out.slab(lefts, ends, (0.0, top), Label.VEGETATION, green, Texture.FOLIAGE)


def fence(
    out: ShapeList, rng: np.random.Generator, lefts: tuple[float, float], forward: float
) -> None:
    """A fence across x: posts, and a wall or rails."""
    start, end = sorted(lefts)
    color = pick(rng, ((0.45, 0.32, 0.20), (0.75, 0.75, 0.72), (0.2, 0.25, 0.22)))
    top = rng.uniform(0.9, 1.7)
    if rng.random() < 0.5:
        ends = (forward - 0.04, forward + 0.04)
        out.slab(lefts, ends, (0.1, top), Label.FENCE, color)
    else:
        for height in np.arange(0.25, top + 0.01, 0.22):
            ends = (forward - 0.03, forward + 0.03)
            out.slab(lefts, ends, (height - 0.05, height + 0.05), Label.FENCE, color)
    for x in np.linspace(start, end, max(2, int((end - start) / 2.5) + 1)):
        out.box(x, 0.0, forward, (0.12, top + 0.08, 0.12), Label.FENCE, color)


def lamp_post(out: ShapeList, rng: np.random.Generator, left: float, forward: float) -> None:
    """A street lamp whose arm points backward."""
    height, reach = rng.uniform(5.0, 7.5), rng.uniform(1.0, 2.0)
    size = (0.2, height, 0.2)
    out.solid(Kind.CYLINDER, left, 0.0, forward, size, Label.POLE, _METAL)
    end = (left, height + 0.3, forward - reach)
    out.rod((left, height, forward), end, 0.06, Label.POLE, _METAL)
    out.box(left, height + 0.2, forward - reach, (0.3, 0.14, 0.7), Label.POLE, _METAL)


def bollard(out: ShapeList, left: float, forward: float) -> None:
    """A low post that keeps cars off the sidewalk."""
    out.solid(Kind.CYLINDER, left, 0.0, forward, (0.16, 1.0, 0.16), Label.POLE, _METAL)


def traffic_sign(
    out: ShapeList, rng: np.random.Generator, left: float, forward: float, yaw: float
) -> None:
    """A plate on a pole that faces ``yaw``."""
    height = rng.uniform(2.1, 2.8)
    out.solid(Kind.CYLINDER, left, 0.0, forward, (0.09, height, 0.09), Label.POLE, _METAL)
    paint = pick(rng, ((0.75, 0.08, 0.08), (0.1, 0.25, 0.65), (0.9, 0.75, 0.1), (0.92, 0.92, 0.92)))
    for color, size, ahead in (
        (paint, rng.uniform(0.6, 0.85), 0.07),
        ((0.95, 0.95, 0.95), 0.3, 0.1),
    ):
        where = (
            left + ahead * math.sin(yaw),
            height - 0.35 - size / 2,
            forward + ahead * math.cos(yaw),
        )
        out.box(*where, (size, size, 0.03), Label.TRAFFIC_SIGN, color, yaw)


def traffic_light(out: ShapeList, left: float, forward: float, yaw: float, lit: int) -> None:
    """A pole with a box of three lamps that face ``yaw``; ``lit`` is the lamp that shines."""
    out.solid(Kind.CYLINDER, left, 0.0, forward, (0.14, 3.3, 0.14), Label.POLE, _METAL)
    ahead = (math.sin(yaw), math.cos(yaw))
    where = (left + 0.18 * ahead[0], 2.3, forward + 0.18 * ahead[1])
    out.box(*where, (0.34, 0.95, 0.24), Label.TRAFFIC_LIGHT, (0.05, 0.06, 0.05), yaw)
    lamps: tuple[Color, ...] = ((0.1, 0.9, 0.3), (0.95, 0.7, 0.1), (0.95, 0.1, 0.1))
    for i, color in enumerate(lamps):
        lamp = (left + 0.31 * ahead[0], 2.36 + 0.29 * i, forward + 0.31 * ahead[1])
        shine = color if i == lit else tuple(0.25 * c for c in color)
        size = (0.22, 0.22, 0.06)
        out.solid(Kind.ELLIPSOID, *lamp, size, Label.TRAFFIC_LIGHT, shine, yaw)  # type: ignore[arg-type]


def street_clutter(out: ShapeList, rng: np.random.Generator, left: float, forward: float) -> None:
    """A bench or a bin: things without a class of their own (void)."""
    color = pick(rng, ((0.35, 0.25, 0.16), (0.2, 0.3, 0.22), (0.3, 0.3, 0.32)))
    if rng.random() < 0.5:
        out.solid(Kind.CYLINDER, left, 0.0, forward, (0.5, 0.95, 0.5), Label.VOID, color)
    else:
        out.box(left, 0.38, forward, (0.45, 0.07, 1.6), Label.VOID, color)
        for end in (-0.7, 0.7):
            out.box(left, 0.0, forward + end, (0.4, 0.38, 0.08), Label.VOID, color)
