"""A seeded city block: two crossing streets, what stands along them and what moves on them.

The street runs along z and is crossed by another along x; traffic keeps to the right, so the
observer's lane lies at negative x. See :mod:`mmpointvideo.simulation.street_shapes` for the axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import street_objects as objects
from .street_shapes import Label, ShapeList, Shapes, Texture

HALF_ROAD = 5.6  # from the middle of a street to the curb: a lane and a parking lane
SIDEWALK = 3.2
LANE = 1.8  # from the middle of a street to the middle of a lane
CURB = 0.15
FRONT = HALF_ROAD + SIDEWALK
_BEHIND, _AHEAD = 80.0, 140.0  # how far the street reaches, from where the observer starts
_SIDE = 90.0  # how far the crossing street reaches
_CORNER = 17.0  # depth that the houses of the main street take along the crossing one
_ASPHALT = (0.26, 0.26, 0.27)
_WHITE = (0.86, 0.86, 0.84)


@dataclass(frozen=True)
class Mover:
    """Something that moves straight on at constant speed.

    Args:
        kind: ``'car'``, ``'pedestrian'`` or ``'bicycle'``.
        seed: Seed of its looks.
        instance: Instance id.
        start: Where it is at time 0 (x, z).
        yaw: Where it heads.
        speed: Metres per second.
        bottom: Height of the ground under it.
    """

    kind: str
    seed: int
    instance: int
    start: tuple[float, float]
    yaw: float
    speed: float
    bottom: float = 0.0

    @cached_property
    def _rigid(self) -> Shapes:
        rng = np.random.default_rng(self.seed)
        if self.kind == 'car':
            return objects.car(rng, self.instance)
        return objects.bicycle(rng, self.instance, rider=self.speed > 0)

    def at(self, time: float) -> Shapes:
        """Its solids ``time`` seconds after the start."""
        if self.kind == 'pedestrian':  # two steps of 0.7 m are one turn of the phase
            phase = self.seed % 7 + 2 * math.pi * self.speed * time / 1.4
            shapes = objects.pedestrian(np.random.default_rng(self.seed), self.instance, phase)
        else:
            shapes = self._rigid
        x = self.start[0] + self.speed * time * math.sin(self.yaw)
        z = self.start[1] + self.speed * time * math.cos(self.yaw)
        return shapes.moved(self.yaw, np.array([x, -self.bottom, z]))


@dataclass(frozen=True)
class ObserverPath:
    """The way of the vehicle that carries the cameras: along its lane, perhaps round the corner.

    Args:
        speed: Metres per second.
        crossing: z of the crossing street's middle.
        turn: ``'none'``, ``'left'`` or ``'right'``.
        sway: How far it strays from the lane's middle, in metres.
        phase: Phase of the sway.
    """

    speed: float
    crossing: float
    turn: str = 'none'
    sway: float = 0.15
    phase: float = 0.0

    def pose(self, time: float) -> tuple[float, float, float]:
        """Position x, z and yaw at a time in seconds."""
        way = self.speed * time
        x, z, yaw = -LANE, way, 0.0
        if self.turn != 'none':
            side = 1.0 if self.turn == 'left' else -1.0
            radius = 8.0 if self.turn == 'left' else 5.0
            start = self.crossing + side * LANE - radius
            angle = min(max((way - start) / radius, 0.0), math.pi / 2)
            rest = max(way - start - radius * math.pi / 2, 0.0)
            x += side * (radius * (1 - math.cos(angle)) + rest)
            z = min(way, start) + radius * math.sin(angle)
            yaw = side * angle
        wave = 2 * math.pi * way / 40.0 + self.phase
        off, slope = self.sway * math.sin(wave), self.sway * 2 * math.pi / 40.0 * math.cos(wave)
        return x + off * math.cos(yaw), z - off * math.sin(yaw), yaw + slope


@dataclass(frozen=True)
class CityBlock:
    """Everything about one street, without the cameras.

    Attributes:
        static: Solids that do not move.
        movers: What moves.
        path: The observer's way.
    """

    static: Shapes
    movers: tuple[Mover, ...]
    path: ObserverPath

    def shapes(self, time: float) -> Shapes:
        """All solids at a time in seconds, always in the same order."""
        return Shapes.concatenate([self.static, *(mover.at(time) for mover in self.movers)])


def make_city_block(rng: np.random.Generator, duration: float) -> CityBlock:
    """Draw a block.

    Args:
        rng: Source of everything random.
        duration: Seconds that the observer drives; the crossing is on its way.
    """
    speed = rng.uniform(3.5, 8.0)
    length = speed * duration
    crossing = float(rng.uniform(8.0, 20.0) + rng.uniform(0.1, 0.7) * length)
    turn = str(rng.choice(['none', 'left', 'right'], p=[0.5, 0.25, 0.25]))
    path = ObserverPath(speed, crossing, turn, rng.uniform(0.0, 0.25), rng.uniform(0, 6.28))
    ground, ids = ShapeList(), iter(range(1, 1 << 16))
    _ground(ground, rng, crossing)
    _markings(ground, crossing)
    _crossing_posts(ground, rng, crossing)
    parts = [ground.shapes()]
    ahead, behind = _AHEAD - crossing - FRONT, crossing - FRONT + _BEHIND
    side = _SIDE - FRONT - _CORNER
    half = math.pi / 2
    for long, yaw, x, z in (
        (behind, half, FRONT, crossing - FRONT),
        (ahead, half, FRONT, _AHEAD),
        (behind, -half, -FRONT, -_BEHIND),
        (ahead, -half, -FRONT, crossing + FRONT),
        (side, 0.0, FRONT + _CORNER, crossing + FRONT),
        (side, 0.0, -_SIDE, crossing + FRONT),
        (side, math.pi, _SIDE, crossing - FRONT),
        (side, math.pi, -FRONT - _CORNER, crossing - FRONT),
    ):
        parts.append(_frontage(rng, long).moved(yaw, np.array([x, 0.0, z])))
    parts += _parked(rng, crossing, ids)
    return CityBlock(Shapes.concatenate(parts), tuple(_traffic(rng, path, ids)), path)


def _ground(out: ShapeList, rng: np.random.Generator, crossing: float) -> None:
    """Road everywhere, and on it four slabs of sidewalk with ground behind the houses' front."""
    far = 400.0
    out.slab((-far, far), (-far, far), (-0.5, 0.0), Label.ROAD, _ASPHALT, Texture.ASPHALT)
    paving = np.array([0.52, 0.50, 0.47]) * rng.uniform(0.85, 1.1)
    grass = np.array([0.25, 0.36, 0.15]) * rng.uniform(0.8, 1.2)
    for x in (1, -1):
        for z in (1, -1):
            limits = ((x * HALF_ROAD, x * far), (crossing + z * HALF_ROAD, crossing + z * far))
            out.slab(*limits, (0.0, CURB), Label.SIDEWALK, paving, Texture.PAVING)
            limits = ((x * FRONT, x * far), (crossing + z * FRONT, crossing + z * far))
            out.slab(*limits, (0.1, CURB + 0.03), Label.VEGETATION, grass, Texture.FOLIAGE)


def _markings(out: ShapeList, crossing: float) -> None:
    """Lane markings, stop lines and zebra crossings: paint 4 mm high."""

    def paint(lefts: tuple[float, float], forwards: tuple[float, float]) -> None:
        out.slab(lefts, forwards, (-0.1, 0.004), Label.LANE_MARKING, _WHITE)

    clear = HALF_ROAD + 4.5  # from the crossing's middle to the end of the markings
    for start, end in ((-_BEHIND, crossing - clear), (crossing + clear, _AHEAD)):
        for edge in (-3.6, 3.6):
            paint((edge - 0.07, edge + 0.07), (start, end))
        for z in np.arange(start, end - 3.0, 6.0):
            paint((-0.08, 0.08), (z, z + 3.0))
    for side in (1, -1):
        start, end = sorted((side * clear, side * _SIDE))
        for edge in (-3.6, 3.6):
            paint((start, end), (crossing + edge - 0.07, crossing + edge + 0.07))
        for x in np.arange(start, end - 3.0, 6.0):
            paint((x, x + 3.0), (crossing - 0.08, crossing + 0.08))
        lane = (-3.4, -0.2) if side < 0 else (0.2, 3.4)
        z = crossing + side * (HALF_ROAD + 4.1)
        paint(lane, (z - 0.2, z + 0.2))
        x = side * (HALF_ROAD + 4.1)
        other = (-3.4, -0.2) if side > 0 else (0.2, 3.4)
        paint((x - 0.2, x + 0.2), (crossing + other[0], crossing + other[1]))
        for bar in np.arange(-HALF_ROAD + 0.5, HALF_ROAD - 0.4, 1.0):
            near, far = crossing + side * (HALF_ROAD + 0.6), crossing + side * (HALF_ROAD + 3.4)
            paint((bar, bar + 0.5), (near, far))
            limits = (side * (HALF_ROAD + 0.6), side * (HALF_ROAD + 3.4))
            paint(limits, (crossing + bar, crossing + bar + 0.5))


def _crossing_posts(out: ShapeList, rng: np.random.Generator, crossing: float) -> None:
    """A traffic light at every corner, some bollards."""
    lit = int(rng.integers(2)) * 2
    off = HALF_ROAD + 0.5
    for x, z, yaw, lamp in (
        (-off, -off, math.pi, lit),
        (off, off, 0.0, lit),
        (-off, off, -math.pi / 2, 2 - lit),
        (off, -off, math.pi / 2, 2 - lit),
    ):
        objects.traffic_light(out, x, crossing + z, yaw, lamp)
        if rng.random() < 0.5:
            for step in (1.2, 2.4):
                objects.bollard(out, x + math.copysign(step, x), crossing + z)
                objects.bollard(out, x, crossing + z + math.copysign(step, z))


def _frontage(rng: np.random.Generator, length: float) -> Shapes:
    """Houses, gardens and the sidewalk's furniture along one side of a street.

    It runs along x from 0 to ``length``; z = 0 is the back of the sidewalk and z < 0 the street.
    """
    out = ShapeList()
    at = 0.0
    while at < length - 4.0:
        width = min(rng.uniform(7.0, 16.0), length - at)
        setback = float(rng.choice([0.0, rng.uniform(2.0, 4.0), rng.uniform(3.0, 6.0)]))
        _house(out, rng, (at, at + width), setback)
        if setback > 0:
            front = (at + 0.1, at + width - 0.1)
            (objects.fence if rng.random() < 0.6 else objects.hedge)(out, rng, front, 0.35)
            for x in np.arange(at + 1.5, at + width - 1.0, 3.0):
                if rng.random() < 0.5:
                    objects.bush(out, rng, x, setback - 0.8)
        at += width
        gap = min(float(rng.choice([0.0, rng.uniform(2.0, 9.0)], p=[0.3, 0.7])), length - at)
        if gap > 1.0:
            (objects.fence if rng.random() < 0.75 else objects.hedge)(
                out, rng, (at, at + gap), 0.35
            )
            objects.tree(out, rng, at + gap / 2, rng.uniform(2.0, 5.0))
        at += gap
    at = rng.uniform(2.0, 5.0)
    kerb = -SIDEWALK + 0.5
    while at < length - 1.0:
        kind = rng.choice(
            ['tree', 'lamp', 'sign', 'clutter', 'bollards'],
            p=[0.35, 0.25, 0.2, 0.1, 0.1],
        )
        if kind == 'tree':
            objects.tree(out, rng, at, kerb)
        elif kind == 'lamp':
            objects.lamp_post(out, rng, at, kerb)
        elif kind == 'sign':
            objects.traffic_sign(out, rng, at, kerb, -math.pi / 2)
        elif kind == 'clutter':
            objects.street_clutter(out, rng, at, kerb)
        elif kind == 'bollards':
            for step in (0.0, 1.5, 3.0):
                objects.bollard(out, at + step, kerb)
        at += rng.uniform(3.5, 8.0)
    return out.shapes()


def _house(
    out: ShapeList, rng: np.random.Generator, lefts: tuple[float, float], setback: float
) -> None:
    """A house: a block of flats with a plinth, perhaps a roof storey and balconies."""
    height, deep = rng.uniform(5.0, 16.0), rng.uniform(9.0, 12.5)
    wall = objects.pick(
        rng,
        ((0.68, 0.58, 0.48), (0.60, 0.33, 0.26), (0.75, 0.72, 0.66), (0.50, 0.52, 0.55)),
        0.08,
    )
    start, end = lefts
    depth = (setback, setback + deep)
    out.slab(lefts, depth, (0.0, height), Label.BUILDING, wall, Texture.FACADE)
    plinth = (setback - 0.08, setback + deep)
    out.slab(lefts, plinth, (0.0, rng.uniform(0.5, 1.2)), Label.BUILDING, wall * 0.6)
    if rng.random() < 0.5:
        inset = ((start + 1.0, end - 1.0), (setback + 1.5, setback + deep - 1.0))
        out.slab(*inset, (height, height + 2.6), Label.BUILDING, wall * 0.75, Texture.FACADE)
    if rng.random() < 0.5:
        for level in np.arange(3.0, height - 2.0, 3.0):
            for x in np.arange(start + 2.6, end - 2.6, 5.2):
                box = ((x - 1.2, x + 1.2), (setback - 0.9, setback))
                out.slab(*box, (level - 0.1, level + 0.85), Label.BUILDING, wall * 0.85)
    door = start + rng.uniform(0.2, 0.8) * (end - start)
    box = ((door - 0.6, door + 0.6), (setback - 0.1, setback))
    out.slab(box[0], box[1], (0.0, 2.3), Label.BUILDING, (0.25, 0.17, 0.12))


def _parked(rng: np.random.Generator, crossing: float, ids) -> list[Shapes]:
    """Parked cars at the curbs and bicycles on the sidewalk."""
    parts = []
    away = HALF_ROAD + 6.0
    slots = [(s, z, math.pi if s > 0 else 0.0) for s in (1, -1) for z in np.arange(-70, 120, 6.2)]
    for side, z, yaw in slots:
        if abs(z - crossing) > away and rng.random() < 0.5:
            where = np.array([side * rng.uniform(4.5, 4.7), 0.0, z + rng.uniform(-0.4, 0.4)])
            turn = yaw + rng.normal(0, 0.02)
            parts.append(objects.car(rng, next(ids)).moved(turn, where))
    for side in (1, -1):
        for x in np.arange(away + 2.0, 60.0, 6.2):
            for across in (4.6, -4.6):
                if rng.random() < 0.5:
                    where = np.array([side * x, 0.0, crossing + across])
                    yaw = math.pi / 2 if across > 0 else -math.pi / 2
                    parts.append(objects.car(rng, next(ids)).moved(yaw, where))
    for side in (1, -1):
        for z in np.arange(-60, 100, 11.0) + rng.uniform(0, 5):
            if abs(z - crossing) > away and rng.random() < 0.45:
                for step in np.arange(rng.integers(1, 4)) * 0.7:
                    where = np.array([side * (FRONT - 0.5), -CURB, z + step])
                    yaw = side * math.pi / 2 + rng.normal(0, 0.2)
                    parts.append(objects.bicycle(rng, next(ids), rider=False).moved(yaw, where))
    return parts


def _traffic(rng: np.random.Generator, path: ObserverPath, ids) -> list[Mover]:
    """Cars in the lanes, cyclists beside them, people on sidewalks and zebra crossings."""
    movers = []

    def add(kind: str, x: float, z: float, yaw: float, speed: float, bottom: float = 0.0) -> None:
        seed = int(rng.integers(1 << 31))
        movers.append(Mover(kind, seed, next(ids), (x, z), yaw, speed, bottom))

    z = rng.uniform(-30.0, 15.0)
    oncoming = rng.uniform(3.0, 9.0)  # one speed for all, so that none runs into the next
    while z < 150.0:
        add('car', LANE, z, math.pi, oncoming)
        z += rng.uniform(9.0, 30.0)
    add('car', -LANE, rng.uniform(11.0, 20.0), 0.0, path.speed * rng.uniform(1.0, 1.1))
    add('car', -LANE, -rng.uniform(9.0, 18.0), 0.0, path.speed * rng.uniform(0.9, 1.0))
    for side in (1, -1):  # waiting at the stop line of the crossing street
        for k in range(int(rng.integers(0, 4))):
            x = side * (HALF_ROAD + 6.7 + 6.0 * k)
            add('car', x, path.crossing - side * LANE, -side * math.pi / 2, 0.0)
    for _ in range(int(rng.integers(1, 5))):
        side = rng.choice([1, -1])
        yaw = math.pi if side > 0 else 0.0
        add('bicycle', side * 3.2, rng.uniform(-25.0, 45.0), yaw, rng.uniform(2.5, 5.0))
    for _ in range(int(rng.integers(12, 30))):
        side, turn = rng.choice([1, -1]), rng.choice([0.0, math.pi])
        x, z = side * rng.uniform(HALF_ROAD + 1.2, FRONT - 0.9), rng.uniform(-40.0, 80.0)
        add('pedestrian', x, z, turn, rng.uniform(0.7, 1.6), CURB)
    for _ in range(int(rng.integers(2, 8))):
        side, turn = rng.choice([1, -1]), rng.choice([0.5, -0.5]) * math.pi
        x, z = rng.uniform(-9.0, 9.0), path.crossing + side * (HALF_ROAD + rng.uniform(0.8, 3.2))
        add('pedestrian', x, z, turn, rng.uniform(0.7, 1.6))
    return movers
