"""The built-in actions as keyframes of controls, for a right-handed person.

A motion is a list of (time, pose): times increase in any unit, a pose names the controls (see
:data:`~mmpointvideo.simulation.kinematics.NEUTRAL`) that differ from the neutral stance. Every
motion begins and ends in the neutral stance. Many share their limbs and a part of their way, so
that a single pose does not tell them apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Pose = dict[str, tuple[float, ...]]
Motion = list[tuple[float, Pose]]


def _repeat(count: int, *poses: Pose, step: float = 1.0, lead: float = 1.2) -> Motion:
    """Neutral, ``poses`` in turn ``count`` times, neutral."""
    keys: Motion = [(0.0, {})]
    keys += [(lead + step * i, pose) for i, pose in enumerate(poses * count)]
    return [*keys, (keys[-1][0] + lead, {})]


def _wave(rng: np.random.Generator) -> Motion:
    """The right hand goes up and swings sideways."""
    return _repeat(
        int(rng.integers(2, 4)),
        {'right_hand': (0.6, 0.45, 0.3)},
        {'right_hand': (0.0, 0.5, 0.45)},
    )


def _clap(rng: np.random.Generator) -> Motion:
    """Both hands meet before the chest."""
    height = float(rng.uniform(-0.3, 0.15))
    apart, closed = (0.35, height, 0.6), (-0.27, height, 0.65)
    return _repeat(
        int(rng.integers(2, 4)),
        {'right_hand': apart, 'left_hand': apart},
        {'right_hand': closed, 'left_hand': closed},
    )


def _punch(rng: np.random.Generator) -> Motion:
    """From the guard, the right hand shoots forward."""
    guard = (-0.1, -0.05, 0.35)
    return _repeat(
        int(rng.integers(1, 3)),
        {'right_hand': guard, 'left_hand': guard, 'spine': (0.05, 0.0, -0.15)},
        {
            'right_hand': (-0.15, 0.1, 1.0),
            'left_hand': guard,
            'spine': (0.15, 0.0, 0.5),
            'pelvis': (0.0, -0.02, 0.08),
        },
        {'right_hand': guard, 'left_hand': guard, 'spine': (0.05, 0.0, -0.1)},
    )


def _kick(rng: np.random.Generator) -> Motion:
    """The right foot swings forward."""
    arms: Pose = {'right_hand': (0.3, -0.8, -0.3), 'left_hand': (0.3, -0.7, 0.4)}
    return _repeat(
        int(rng.integers(1, 3)),
        {'right_foot': (0.0, 0.12, -0.3), 'pelvis': (0.06, -0.03, 0.0)},
        {
            'right_foot': (-0.05, 0.5, 0.75),
            'pelvis': (0.07, -0.02, 0.03),
            'spine': (-0.2, 0.0, 0.1),
            **arms,
        },
        {'right_foot': (0.0, 0.12, 0.1), 'pelvis': (0.05, -0.03, 0.0)},
    )


def _side_kick(rng: np.random.Generator) -> Motion:
    """The right knee comes up, the foot shoots sideways."""
    lean: Pose = {'spine': (0.0, 0.45, 0.0), 'pelvis': (0.08, -0.03, 0.0)}
    return _repeat(
        int(rng.integers(1, 3)),
        {'right_foot': (0.1, 0.35, 0.15), 'pelvis': (0.06, -0.03, 0.0)},
        {'right_foot': (0.75, 0.5, 0.1), 'left_hand': (0.5, -0.5, 0.2), **lean},
        {'right_foot': (0.1, 0.25, 0.1), 'pelvis': (0.06, -0.03, 0.0)},
    )


def _squat(rng: np.random.Generator) -> Motion:
    """The body goes down on bent knees, the arms stretch forward."""
    arms = (0.0, -0.05, 0.95) if rng.random() < 0.6 else (0.1, -0.85, 0.35)
    down: Pose = {
        'pelvis': (0.0, -0.45, -0.15),
        'spine': (0.55, 0.0, 0.0),
        'nod': (-0.3,),
        'right_hand': arms,
        'left_hand': arms,
    }
    return _repeat(int(rng.integers(1, 3)), down, {'pelvis': (0.0, -0.03, 0.0)}, step=1.3)


def _jump(rng: np.random.Generator) -> Motion:
    """A crouch, a jump with both feet, a landing."""
    height = float(rng.uniform(0.14, 0.26))
    up = (0.25, float(rng.uniform(-0.3, 0.75)), 0.35)
    back = (0.2, -0.85, -0.4)
    crouch: Pose = {
        'pelvis': (0.0, -0.22, -0.08),
        'spine': (0.45, 0.0, 0.0),
        'right_hand': back,
        'left_hand': back,
    }
    air: Pose = {
        'pelvis': (0.0, height, 0.02),
        'right_foot': (0.0, height, -0.05),
        'left_foot': (0.0, height, -0.05),
        'right_hand': up,
        'left_hand': up,
    }
    land: Pose = {'pelvis': (0.0, -0.16, -0.06), 'spine': (0.35, 0.0, 0.0)}
    return _repeat(int(rng.integers(1, 3)), crouch, air, land, step=0.8)


def _throw(rng: np.random.Generator) -> Motion:
    """The right hand goes back over the shoulder and whips forward and down."""
    step = (0.0, 0.0, float(rng.uniform(0.0, 0.2)))
    return [
        (0.0, {}),
        (
            1.3,
            {
                'right_hand': (0.35, 0.4, -0.4),
                'left_hand': (0.1, -0.3, 0.6),
                'spine': (-0.15, 0.05, -0.5),
                'left_foot': step,
            },
        ),
        (
            2.0,
            {
                'right_hand': (0.05, 0.45, 0.75),
                'spine': (0.2, 0.0, 0.4),
                'left_foot': step,
                'pelvis': (0.0, -0.03, 0.07),
            },
        ),
        (
            2.5,
            {
                'right_hand': (-0.4, -0.55, 0.5),
                'spine': (0.45, 0.0, 0.5),
                'left_foot': step,
                'pelvis': (0.0, -0.04, 0.08),
            },
        ),
        (4.0, {}),
    ]


def _bend(rng: np.random.Generator) -> Motion:
    """The trunk bends down on straight legs, the hands hang to the ground."""
    down: Pose = {
        'spine': (1.3, 0.0, 0.0),
        'pelvis': (0.0, -0.03, -0.16),
        'right_hand': (0.0, -0.97, 0.12),
        'left_hand': (0.0, -0.97, 0.12),
    }
    return [(0.0, {}), (1.6, down), (1.6 + float(rng.uniform(0.3, 1.0)), down), (4.0, {})]


def _raise_both_arms(rng: np.random.Generator) -> Motion:
    """Both arms go up, along the sides or in front."""
    way = (0.9, 0.0, 0.25) if rng.random() < 0.5 else (0.15, 0.0, 0.95)
    top = (0.25, 0.92, 0.1)
    middle: Pose = {'right_hand': way, 'left_hand': way}
    up: Pose = {'right_hand': top, 'left_hand': top, 'nod': (-0.15,)}
    return [(0.0, {}), (1.0, middle), (1.9, up), (2.5, up), (3.4, middle), (4.4, {})]


def _draw_circle(rng: np.random.Generator) -> Motion:
    """The right hand draws a circle in front of the shoulder."""
    count, radius = 8 * int(rng.integers(1, 3)), float(rng.uniform(0.3, 0.42))
    way = 1.0 if rng.random() < 0.5 else -1.0
    keys: Motion = [(0.0, {})]
    for i in range(count + 1):
        angle = way * 2 * math.pi * i / 8
        hand = (-0.05 + radius * math.sin(angle), 0.12 + radius * math.cos(angle), 0.65)
        keys.append((1.3 + 0.4 * i, {'right_hand': hand}))
    return [*keys, (keys[-1][0] + 1.2, {})]


def _jog(rng: np.random.Generator) -> Motion:
    """Running on the spot with bent arms."""
    fore, back = (0.05, -0.4, 0.5), (0.2, -0.6, -0.35)
    lift = (0.0, float(rng.uniform(0.16, 0.3)), -0.15)
    right: Pose = {'right_foot': lift, 'right_hand': back, 'left_hand': fore}
    left: Pose = {'left_foot': lift, 'right_hand': fore, 'left_hand': back}
    low: Pose = {'pelvis': (0.0, -0.04, 0.0), 'spine': (0.12, 0.0, 0.0)}
    return _repeat(int(rng.integers(2, 4)), {**right, **low}, {**left, **low}, step=0.9, lead=0.9)


def _golf_swing(rng: np.random.Generator) -> Motion:
    """Both hands swing together from the right shoulder down and up to the left."""

    def hands(out: float, up: float, forward: float, **others: tuple[float, ...]) -> Pose:
        return {
            'right_hand': (out, up, forward),
            'left_hand': (-out - 0.67, up, forward),
            **others,
        }

    address = hands(-0.33, -0.8, 0.4, spine=(0.4, 0.0, 0.0), pelvis=(0.0, -0.06, -0.06))
    back = hands(0.05, 0.3, 0.4, spine=(0.3, 0.0, -0.9), pelvis=(-0.04, -0.06, -0.04))
    follow = hands(-0.75, 0.35, 0.4, spine=(0.1, 0.0, 0.9), pelvis=(0.08, -0.03, 0.0))
    wait = float(rng.uniform(0.2, 0.8))
    return [
        (0.0, {}),
        (1.0, address),
        (1.0 + wait, address),
        (2.2 + wait, back),
        (2.8 + wait, address),
        (3.3 + wait, follow),
        (4.8 + wait, {}),
    ]


def _pick_up(rng: np.random.Generator) -> Motion:
    """The right hand fetches something from the ground and holds it before the chest."""
    deep = float(rng.uniform(-0.4, -0.1))
    down: Pose = {
        'pelvis': (0.0, deep, -0.14),
        'spine': (1.1 + 0.6 * (deep + 0.25), 0.0, 0.15),
        'right_hand': (-0.1, -0.95, 0.3),
        'left_hand': (0.15, -0.8, 0.2),
    }
    hold: Pose = {'right_hand': (-0.15, -0.35, 0.55), 'spine': (0.05, 0.0, 0.0)}
    return [(0.0, {}), (1.5, down), (1.9, down), (3.3, hold), (3.8, hold), (4.8, {})]


#: Name of an action to the function that makes its keyframes; the order gives the labels.
MOTIONS: dict[str, Callable[[np.random.Generator], Motion]] = {
    'wave': _wave,
    'clap': _clap,
    'punch': _punch,
    'kick': _kick,
    'squat': _squat,
    'jump': _jump,
    'throw': _throw,
    'bend': _bend,
    'raise_both_arms': _raise_both_arms,
    'draw_circle': _draw_circle,
    'side_kick': _side_kick,
    'jog': _jog,
    'golf_swing': _golf_swing,
    'pick_up': _pick_up,
}
