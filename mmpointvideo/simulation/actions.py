"""Procedural actions: skeleton sequences of made-up people before a made-up camera."""

from __future__ import annotations

import numpy as np

from .kinematics import NEUTRAL, mirrored, pose_body
from .motions import MOTIONS, Motion
from .subjects import Subject

#: Names of the built-in actions; the position is the label.
ACTION_CLASSES: tuple[str, ...] = tuple(MOTIONS)
#: Frames a second; that of MSR-Action3D.
FRAME_RATE = 15.0


def generate_action(
    class_name: str,
    subject: Subject,
    take: int,
    seed: int = 0,
    frames_range: tuple[int, int] = (28, 44),
) -> np.ndarray:
    """One performance of an action. Equal arguments give equal motion.

    A person keeps a way of doing an action (offsets and timing that depend on seed, subject and
    action); every take adds its own. Left-handed people do everything mirrored.

    Args:
        class_name: One of :data:`ACTION_CLASSES`.
        subject: Who does it.
        take: Number of the performance, from 1.
        seed: Seed of the data set.
        frames_range: Fewest and most frames; slow people take longer.

    Returns:
        ``(T, 20, 3)`` joints in MSR order, in camera axes (x right, y down, z away), MSR depth
        units (about 4 mm).

    Raises:
        ValueError: If the class is unknown or the range is not one.
    """
    if class_name not in MOTIONS:
        raise ValueError(f'class_name: expected one of {ACTION_CLASSES}, got {class_name!r}')
    fewest, most = frames_range
    if not 2 <= fewest <= most:
        raise ValueError(f'frames_range: expected 2 <= fewest <= most, got {frames_range}')
    label = ACTION_CLASSES.index(class_name)
    habit = np.random.default_rng([seed, 1, label, subject.index])
    mood = np.random.default_rng([seed, 2, label, subject.index, take])

    pace = np.clip((1.25 - subject.speed) / 0.45 + mood.normal(0, 0.2), 0, 1)
    num_frames = int(round(fewest + pace * (most - fewest)))
    motion = MOTIONS[class_name](mood)
    controls = _controls(motion, num_frames, subject, habit, mood)
    joints = pose_body(controls, subject)
    if subject.left_handed:
        joints = mirrored(joints)
    return _before_camera(joints, subject, mood)


def _controls(
    motion: Motion,
    num_frames: int,
    subject: Subject,
    habit: np.random.Generator,
    mood: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Keyframes to one smooth course of every control, ``(T, size)`` each."""
    amplitude = subject.amplitude * mood.uniform(0.9, 1.1)
    steps = np.diff([time for time, _ in motion])
    steps = steps * np.exp(habit.normal(0, 0.12, len(steps)) + mood.normal(0, 0.12, len(steps)))
    times = np.concatenate(([0.0], np.cumsum(steps)))
    # A few frames of standing before and after.
    still = mood.uniform(0.03, 0.13, size=2)
    times = still[0] + times / times[-1] * (1 - still.sum())
    now = np.linspace(0, 1, num_frames)

    idle = _idle_arm(mood)
    sway_time = 2 * np.pi * np.arange(num_frames) / FRAME_RATE
    controls = {}
    for name, value in NEUTRAL.items():
        rest = np.array(value) + (idle if name.endswith('hand') else 0.0)
        keys = np.tile(rest, (len(times), 1))
        for key, (_, pose) in zip(keys, motion, strict=True):
            if name in pose:
                # Feet on the ground stay there, other targets are met with some freedom.
                loose = 0.06 if name.endswith('hand') else 0.03
                free = habit.normal(0, loose, len(key)) + mood.normal(0, loose, len(key))
                free *= np.abs(np.array(pose[name])).max() > 0.1
                key[:] = rest + amplitude * (np.array(pose[name]) + free - rest)
        course = _smooth(times, keys, now)
        if not name.endswith('foot'):
            scale = {'pelvis': 0.006, 'turn': 0.02, 'nod': 0.05}.get(name, 0.02) * subject.sway
            rate, phase = mood.uniform(0.15, 0.6, len(rest)), mood.uniform(0, 7, len(rest))
            course += scale * np.sin(sway_time[:, None] * rate + phase)
        controls[name] = course
    controls['spine'][:, 0] += subject.stoop
    # Knees are never quite stretched, however the pelvis sways.
    controls['pelvis'][:, 1] -= 0.01
    return controls


def _idle_arm(rng: np.random.Generator) -> np.ndarray:
    """How the hands hang when they have nothing to do."""
    bent = rng.random() < 0.3
    return np.array([0.05, 0.25, 0.25]) * rng.uniform(0.5, 1) * bent + rng.normal(0, 0.02, 3)


def _smooth(times: np.ndarray, keys: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Cubic Hermite curve through the keys, standing still at both ends.

    Tangents are those of Catmull and Rom, 0 where a value turns round, so that nothing overshoots
    its keyframes by much.
    """
    slopes = np.diff(keys, axis=0) / np.diff(times)[:, None]
    tangents = np.zeros_like(keys)
    tangents[1:-1] = np.where(
        slopes[:-1] * slopes[1:] > 0, (keys[2:] - keys[:-2]) / (times[2:] - times[:-2])[:, None], 0
    )
    i = np.clip(np.searchsorted(times, now, side='right') - 1, 0, len(times) - 2)
    step = (times[i + 1] - times[i])[:, None]
    s = np.clip((now[:, None] - times[i][:, None]) / step, 0, 1)
    left, right = keys[i] + tangents[i] * step * s, keys[i + 1] - tangents[i + 1] * step * (1 - s)
    blend = s * s * (3 - 2 * s)
    return left * (1 - blend) + right * blend


def _before_camera(joints: np.ndarray, subject: Subject, rng: np.random.Generator) -> np.ndarray:
    """From the body's axes (left, up, forward) to the camera's (right, down, away)."""
    yaw = subject.yaw + rng.normal(0, 0.15)
    cos, sin = np.cos(yaw), np.sin(yaw)
    left, up, forward = np.moveaxis(joints, 2, 0)
    left, forward = cos * left + sin * forward, cos * forward - sin * left
    place = np.array([*subject.offset, subject.distance]) + rng.normal(0, (12, 4, 12))
    # Everybody stands on the same ground: the smaller, the lower the hip.
    place[1] += 240.0 * (1 - subject.size * subject.leg)
    return np.stack([left, -up, -forward], axis=2) + place
