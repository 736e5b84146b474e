"""Bodies made of capsules: which joints a capsule joins, how thick it is, which part it is.

Lengths are in the unit of the joints: MSR-Action3D's depth unit (about 4 mm) for
:data:`MSR_BODY`, millimetres for :data:`NTU_BODY`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

#: Body parts; the value of a part map is the position in this table.
PART_NAMES: tuple[str, ...] = (
    'background',
    'head',
    'torso',
    'pelvis',
    'right_upper_arm',
    'right_forearm',
    'right_hand',
    'left_upper_arm',
    'left_forearm',
    'left_hand',
    'right_thigh',
    'right_shin',
    'right_foot',
    'left_thigh',
    'left_shin',
    'left_foot',
)


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A capsule body over a skeleton.

    Args:
        name: For messages.
        joint_names: Names of the J joints, in the skeleton's order.
        parents: ``(J,)`` index of the joint that each joint hangs on, -1 for the root.
        capsules: ``(K, 2)`` indices of the joints at the ends; twice the same is a sphere.
        radii: ``(K,)`` radii.
        parts: ``(K,)`` indices into :data:`PART_NAMES`.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: np.ndarray
    capsules: np.ndarray
    radii: np.ndarray
    parts: np.ndarray

    def __post_init__(self) -> None:
        joints, count = len(self.joint_names), len(self.capsules)
        if len(self.parents) != joints or self.capsules.shape != (count, 2):
            raise ValueError(f'{self.name}: expected parents (J,) and capsules (K, 2)')
        if self.radii.shape != (count,) or self.parts.shape != (count,):
            raise ValueError(f'{self.name}: expected one radius and one part a capsule')
        if self.capsules.min() < 0 or self.capsules.max() >= joints:
            raise ValueError(f'{self.name}: capsules: expected joint indices below {joints}')
        if not (self.radii > 0).all() or not np.isfinite(self.radii).all():
            raise ValueError(f'{self.name}: radii: expected positive numbers')
        if self.parts.min() < 1 or self.parts.max() >= len(PART_NAMES):
            raise ValueError(f'{self.name}: parts: expected 1..{len(PART_NAMES) - 1}')

    @property
    def num_joints(self) -> int:
        """Number of joints J of a skeleton that this body fits."""
        return len(self.joint_names)

    @property
    def bones(self) -> np.ndarray:
        """``(J - 1, 2)`` pairs (parent, joint), parents before their children."""
        order, reached = [], set(np.flatnonzero(self.parents < 0).tolist())
        while len(reached) < self.num_joints:
            new = [
                j for j in range(self.num_joints)
                if j not in reached and int(self.parents[j]) in reached
            ]  # fmt: skip
            if not new:
                raise ValueError(f'{self.name}: parents: expected a tree')
            order += [(int(self.parents[j]), j) for j in new]
            reached.update(new)
        return np.array(order)

    def scaled(self, factor: float) -> 'BodyModel':
        """The same body with all radii times ``factor``."""
        return replace(self, radii=self.radii * float(factor))


def _body(
    name: str, joints: str, parents: str, table: list[tuple[str, str, float, str]]
) -> BodyModel:
    names = tuple(joints.split())
    index = {joint: i for i, joint in enumerate(names)}
    up = dict(pair.split('<') for pair in parents.split())
    return BodyModel(
        name=name,
        joint_names=names,
        parents=np.array([index[up[joint]] if joint in up else -1 for joint in names]),
        capsules=np.array([(index[a], index[b]) for a, b, _, _ in table]),
        radii=np.array([radius for _, _, radius, _ in table], dtype=np.float64),
        parts=np.array([PART_NAMES.index(part) for _, _, _, part in table]),
    )


def _limbs(side: str, hand: str, radii: Mapping[str, float]) -> list[tuple[str, str, float, str]]:
    chain = (
        ('shoulder', 'elbow', 'upper_arm'),
        ('elbow', 'wrist', 'forearm'),
        ('wrist', hand, 'hand'),
        ('hip', 'knee', 'thigh'),
        ('knee', 'ankle', 'shin'),
        ('ankle', 'foot', 'foot'),
    )
    return [(f'{side}_{a}', f'{side}_{b}', radii[part], f'{side}_{part}') for a, b, part in chain]


_MSR_RADII = {'upper_arm': 13, 'forearm': 11, 'hand': 9, 'thigh': 22, 'shin': 16, 'foot': 11}

#: The 20 joints of MSR-Action3D in the order of its files; unit about 4 mm.
MSR_BODY: BodyModel = _body(
    'msr',
    'right_shoulder left_shoulder neck spine right_hip left_hip hip_centre right_elbow left_elbow '
    'right_wrist left_wrist right_hand left_hand right_knee left_knee right_ankle left_ankle '
    'right_foot left_foot head',
    'spine<hip_centre neck<spine head<neck right_shoulder<neck left_shoulder<neck '
    'right_hip<hip_centre left_hip<hip_centre right_elbow<right_shoulder left_elbow<left_shoulder '
    'right_wrist<right_elbow left_wrist<left_elbow right_hand<right_wrist left_hand<left_wrist '
    'right_knee<right_hip left_knee<left_hip right_ankle<right_knee left_ankle<left_knee '
    'right_foot<right_ankle left_foot<left_ankle',
    [
        ('head', 'head', 26, 'head'),
        ('neck', 'head', 14, 'head'),
        ('neck', 'spine', 32, 'torso'),
        ('spine', 'hip_centre', 34, 'torso'),
        ('neck', 'right_shoulder', 16, 'torso'),
        ('neck', 'left_shoulder', 16, 'torso'),
        ('right_shoulder', 'spine', 18, 'torso'),
        ('left_shoulder', 'spine', 18, 'torso'),
        ('hip_centre', 'right_hip', 24, 'pelvis'),
        ('hip_centre', 'left_hip', 24, 'pelvis'),
        *_limbs('right', 'hand', _MSR_RADII),
        *_limbs('left', 'hand', _MSR_RADII),
    ],
)

_NTU_RADII = {'upper_arm': 52, 'forearm': 44, 'hand': 36, 'thigh': 88, 'shin': 64, 'foot': 44}

#: The 25 joints of Kinect v2 in the order of NTU RGB+D's ``.skeleton`` files; unit 1 mm.
NTU_BODY: BodyModel = _body(
    'ntu',
    'spine_base spine_mid neck head left_shoulder left_elbow left_wrist left_hand right_shoulder '
    'right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip '
    'right_knee right_ankle right_foot spine_shoulder left_hand_tip left_thumb right_hand_tip '
    'right_thumb',
    'spine_mid<spine_base spine_shoulder<spine_mid neck<spine_shoulder head<neck '
    'left_shoulder<spine_shoulder left_elbow<left_shoulder left_wrist<left_elbow '
    'left_hand<left_wrist left_hand_tip<left_hand left_thumb<left_hand '
    'right_shoulder<spine_shoulder right_elbow<right_shoulder right_wrist<right_elbow '
    'right_hand<right_wrist right_hand_tip<right_hand right_thumb<right_hand '
    'left_hip<spine_base left_knee<left_hip left_ankle<left_knee left_foot<left_ankle '
    'right_hip<spine_base right_knee<right_hip right_ankle<right_knee right_foot<right_ankle',
    [
        ('head', 'head', 104, 'head'),
        ('neck', 'head', 56, 'head'),
        ('spine_shoulder', 'neck', 56, 'torso'),
        ('spine_shoulder', 'spine_mid', 128, 'torso'),
        ('spine_mid', 'spine_base', 130, 'torso'),
        ('spine_shoulder', 'right_shoulder', 64, 'torso'),
        ('spine_shoulder', 'left_shoulder', 64, 'torso'),
        ('right_shoulder', 'spine_mid', 72, 'torso'),
        ('left_shoulder', 'spine_mid', 72, 'torso'),
        ('spine_base', 'right_hip', 96, 'pelvis'),
        ('spine_base', 'left_hip', 96, 'pelvis'),
        *_limbs('right', 'hand_tip', _NTU_RADII),
        *_limbs('left', 'hand_tip', _NTU_RADII),
    ],
)
