"""From a few controls to the 20 joints of MSR-Action3D, with constant bone lengths.

The body's own axes are left, up, forward. Hands and feet are steered by targets (two-bone inverse
kinematics), the trunk by angles; everything else follows by forward kinematics.
"""

from __future__ import annotations

import numpy as np

from .bodies import MSR_BODY
from .subjects import Subject

#: Controls, their size, and their value in the neutral stance. Hands: (outwards, up, forward)
#: from the shoulder in arm lengths, turning with the chest; feet: the same from where they
#: stand, in leg lengths; pelvis: (left, up, forward) in leg lengths; angles in radians: turn of
#: the pelvis to the left, spine (bend forward, bend left, twist left), nod of the head.
NEUTRAL: dict[str, tuple[float, ...]] = {
    'pelvis': (0.0, 0.0, 0.0),
    'turn': (0.0,),
    'spine': (0.0, 0.0, 0.0),
    'nod': (0.0,),
    'right_hand': (0.12, -0.96, 0.08),
    'left_hand': (0.12, -0.96, 0.08),
    'right_foot': (0.0, 0.0, 0.0),
    'left_foot': (0.0, 0.0, 0.0),
}

# Median geometry of the real skeletons, in depth units.
_SPINE, _CHEST, _NECK_TO_SHOULDER, _HEAD = 54.0, 50.0, (48.0, -14.0), 58.0
_UPPER_ARM, _FOREARM, _HAND = 70.0, 74.0, 18.0
_HIP, _THIGH, _SHIN, _FOOT, _STANCE = 42.0, 136.0, 104.0, 42.0, 30.0

_INDEX = {name: i for i, name in enumerate(MSR_BODY.joint_names)}
#: For every joint the one on the other side.
MIRROR: np.ndarray = np.array(
    [
        _INDEX[name.replace('right', 'LEFT').replace('left', 'right').replace('LEFT', 'left')]
        for name in MSR_BODY.joint_names
    ]
)


def _rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices ``(T, 3, 3)`` about a coordinate axis, right-handed."""
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, i, i] = out[:, j, j] = cos
    out[:, i, j], out[:, j, i] = -sin, sin
    return out


def _turned(rotation: np.ndarray, vector: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """``(T, 3, 3)`` times ``(3,)`` or ``(T, 3)``."""
    vector = np.broadcast_to(np.asarray(vector, dtype=np.float64), (len(rotation), 3))
    return np.einsum('tij,tj->ti', rotation, vector)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def two_bone_ik(
    root: np.ndarray, target: np.ndarray, upper: float, lower: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end of a limb that reaches for a target.

    Args:
        root: ``(T, 3)`` shoulder or hip.
        target: ``(T, 3)``; one out of reach is approached as far as the limb goes.
        upper: Length of the first bone.
        lower: Length of the second bone.
        pole: ``(T, 3)`` direction into which elbow or knee points.

    Returns:
        ``(T, 3)`` elbow or knee, ``(T, 3)`` wrist or ankle.
    """
    way = target - root
    distance = np.linalg.norm(way, axis=1, keepdims=True)
    reach = np.clip(distance, abs(upper - lower) + 0.1 * lower, 0.998 * (upper + lower))
    ahead = _unit(way)
    sideways = _unit(pole - (pole * ahead).sum(axis=1, keepdims=True) * ahead)
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(upper**2 - along**2, 0))
    return root + along * ahead + height * sideways, root + reach * ahead


def pose_body(controls: dict[str, np.ndarray], subject: Subject) -> np.ndarray:
    """Joints of a sequence of poses.

    Args:
        controls: Every key of :data:`NEUTRAL` with ``(T, size)`` values.
        subject: Gives the bone lengths (size and proportions; nothing else is used).

    Returns:
        ``(T, 20, 3)`` in the body's axes (left, up, forward), the standing hip centre at 0.
    """
    size, width = subject.size, subject.size * subject.shoulder
    upper_arm, forearm = _UPPER_ARM * size * subject.arm, _FOREARM * size * subject.arm
    thigh, shin = _THIGH * size * subject.leg, _SHIN * size * subject.leg
    arm, leg = upper_arm + forearm, thigh + shin
    joints = np.empty((len(controls['turn']), MSR_BODY.num_joints, 3))

    def put(name: str, position: np.ndarray) -> np.ndarray:
        joints[:, _INDEX[name]] = position
        return position

    turn, (bend, lean, twist) = controls['turn'][:, 0], controls['spine'].T
    pelvis = _rotation(1, turn)

    def trunk(share: float) -> np.ndarray:
        lean_and_twist = _rotation(2, -share * lean) @ _rotation(1, share * twist)
        return pelvis @ _rotation(0, share * bend) @ lean_and_twist

    waist, chest = trunk(0.5), trunk(1.0)
    hip_centre = put('hip_centre', controls['pelvis'] * leg)
    spine = put('spine', hip_centre + _turned(waist, (0, _SPINE * size, 0)))
    neck = put('neck', spine + _turned(chest, (0, _CHEST * size, 0)))
    nod = _rotation(0, controls['nod'][:, 0])
    put('head', neck + _turned(chest @ nod, (0, _HEAD * size, 0.12 * _HEAD * size)))

    facing = _rotation(1, turn + twist)
    stand = -0.985 * leg
    for side, sign in (('right', -1.0), ('left', 1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        out, up = _NECK_TO_SHOULDER
        shoulder = put(
            f'{side}_shoulder', neck + _turned(chest, (sign * out * width, up * size, 0))
        )
        target = shoulder + _turned(facing, controls[f'{side}_hand'] * mirror * arm)
        pole = _turned(facing, mirror * (0.5, -0.7, -0.6))
        elbow, wrist = two_bone_ik(shoulder, target, upper_arm, forearm, pole)
        put(f'{side}_elbow', elbow)
        put(f'{side}_wrist', wrist)
        put(f'{side}_hand', wrist + _HAND * size * _unit(wrist - elbow))

        hip = put(f'{side}_hip', hip_centre + _turned(pelvis, (sign * _HIP * width, 0, 0)))
        foot = controls[f'{side}_foot'] * mirror * leg
        pole = _turned(pelvis, (sign * 0.12, 0.0, 1.0))
        place = np.array([sign * _STANCE * width, stand, 0.0])
        knee, ankle = two_bone_ik(hip, place + foot, thigh, shin, pole)
        put(f'{side}_knee', knee)
        put(f'{side}_ankle', ankle)
        # A foot on the ground points forward; a lifted one is square to the shin.
        forward = _turned(pelvis, (sign * 0.15, -0.2, 1.0))
        down = _unit(ankle - knee)
        square = _unit(forward - (forward * down).sum(axis=1, keepdims=True) * down)
        lifted = np.clip(np.linalg.norm(foot, axis=1, keepdims=True) / (0.3 * leg), 0, 1)
        way = _unit((1 - lifted) * _unit(forward) + lifted * square)
        put(f'{side}_foot', ankle + _FOOT * size * way)
    return joints


def mirrored(joints: np.ndarray) -> np.ndarray:
    """The same motion with left and right exchanged (body axes)."""
    return joints[:, MIRROR] * np.array([-1.0, 1.0, 1.0])
