"""Procedural actions."""

from dataclasses import replace

import numpy as np
import pytest

from mmpointvideo.simulation import (
    ACTION_CLASSES,
    MSR_BODY,
    MSR_CAMERA,
    Subject,
    generate_action,
    sample_subject,
)
from mmpointvideo.simulation.kinematics import NEUTRAL, pose_body, two_bone_ik

INDEX = {name: i for i, name in enumerate(MSR_BODY.joint_names)}
AVERAGE = Subject(index=1, sway=0.0)


@pytest.mark.parametrize('name', ACTION_CLASSES)
@pytest.mark.parametrize('subject', [1, 2, 7])
def test_bones_are_rigid_and_the_person_stays_in_view(name, subject):
    joints = generate_action(name, sample_subject(subject), 2, seed=3)
    assert 28 <= len(joints) <= 44
    assert np.isfinite(joints).all()
    bones = MSR_BODY.bones
    lengths = np.linalg.norm(joints[:, bones[:, 0]] - joints[:, bones[:, 1]], axis=2)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=1e-6)
    pixels = MSR_CAMERA.project(joints)
    assert (pixels > -10).all()
    assert (pixels < (330, 260)).all()
    # No joint moves faster than about 12 m/s.
    assert np.linalg.norm(np.diff(joints, axis=0), axis=2).max() < 200
    # Right way up: the head is above the hips above the feet, at the beginning.
    heights = joints[0, [INDEX['head'], INDEX['hip_centre'], INDEX['left_foot']], 1]
    assert (np.diff(heights) > 100).all()


def test_same_arguments_same_motion_other_arguments_another():
    subject = sample_subject(4, seed=1)
    first = generate_action('throw', subject, 1, seed=1)
    np.testing.assert_array_equal(first, generate_action('throw', subject, 1, seed=1))
    assert sample_subject(4, seed=1) == subject
    for other in (
        generate_action('throw', subject, 2, seed=1),
        generate_action('throw', subject, 1, seed=2),
        generate_action('throw', replace(subject, index=5), 1, seed=1),
    ):
        assert other.shape != first.shape or np.abs(other - first).max() > 5


@pytest.mark.parametrize('name', ACTION_CLASSES)
def test_begins_and_ends_standing(name):
    """No class is given away by its first or last pose."""
    takes = [generate_action(name, AVERAGE, take) for take in range(1, 7)]
    limbs = [INDEX[n] for n in ('head', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle')]
    for joints in takes:
        local = joints - joints[:, INDEX['hip_centre'], None]
        assert np.linalg.norm(local[0, limbs] - local[-1, limbs], axis=1).max() < 25
        hands = joints[[0, 0, -1, -1], [INDEX['right_hand'], INDEX['left_hand']] * 2, 1]
        shoulder = joints[0, INDEX['neck'], 1]
        assert (hands > shoulder + 40).all()  # y points down


def test_left_handed_people_do_it_mirrored():
    right = generate_action('wave', AVERAGE, 1)
    left = generate_action('wave', replace(AVERAGE, left_handed=True), 1)

    def way(joints, hand):
        return np.linalg.norm(np.diff(joints[:, INDEX[hand]], axis=0), axis=1).sum()

    assert way(right, 'right_hand') > 3 * way(right, 'left_hand')
    assert way(left, 'left_hand') > 3 * way(left, 'right_hand')
    assert way(left, 'left_hand') == pytest.approx(way(right, 'right_hand'), rel=1e-6)
    # Mirrored means mirrored: right stays at the image's left for somebody facing the camera.
    for joints in (right, left):
        assert joints[0, INDEX['right_shoulder'], 0] < joints[0, INDEX['left_shoulder'], 0]


def test_slow_people_take_longer():
    frames = [
        len(generate_action('kick', replace(AVERAGE, speed=speed), 1)) for speed in (0.8, 1.0, 1.25)
    ]
    assert frames[0] > frames[1] > frames[2]
    assert 5 <= len(generate_action('kick', AVERAGE, 1, frames_range=(5, 9))) <= 9


def test_subjects_differ():
    people = [sample_subject(i) for i in range(1, 41)]
    for name in ('size', 'arm', 'girth', 'speed', 'amplitude', 'yaw', 'distance'):
        assert len({getattr(person, name) for person in people}) == 40
    assert 5 < sum(person.left_handed for person in people) < 20
    assert any(sample_subject(i).left_handed for i in range(6, 11))


@pytest.mark.parametrize(
    ('name', 'check'),
    [
        ('squat', lambda j: np.ptp(j[:, INDEX['hip_centre'], 1]) > 60),
        ('jump', lambda j: j[:, INDEX['left_foot'], 1].min() < j[0, INDEX['left_foot'], 1] - 20),
        ('bend', lambda j: np.ptp(j[:, INDEX['head'], 1]) > 80),
        ('kick', lambda j: np.ptp(j[:, INDEX['right_foot'], 2]) > 120),
        ('side_kick', lambda j: np.ptp(j[:, INDEX['right_foot'], 0]) > 100),
        ('punch', lambda j: np.ptp(j[:, INDEX['right_hand'], 2]) > 80),
        ('pick_up', lambda j: j[:, INDEX['right_hand'], 1].max() > j[0, INDEX['right_hand'], 1]),
        (
            'raise_both_arms',
            lambda j: (
                j[:, [INDEX['left_hand'], INDEX['right_hand']], 1].min(axis=0)
                < j[0, INDEX['head'], 1] + 10
            ).all(),
        ),
        (
            'clap',
            lambda j: np.linalg.norm(
                j[:, INDEX['left_hand']] - j[:, INDEX['right_hand']], axis=1
            ).min() < 60,
        ),
    ],
)  # fmt: skip
def test_motions_do_what_they_say(name, check):
    for take in range(1, 5):
        assert check(generate_action(name, AVERAGE, take))


def test_invalid_arguments():
    with pytest.raises(ValueError, match=r"class_name: expected one of .* got 'sleep'"):
        generate_action('sleep', AVERAGE, 1)
    with pytest.raises(ValueError, match='frames_range'):
        generate_action('wave', AVERAGE, 1, frames_range=(9, 5))


def test_two_bone_ik():
    rng = np.random.default_rng(0)
    root, target = rng.normal(size=(2, 50, 3))
    target[0] *= 100  # out of reach
    pole = np.tile([0.0, -1.0, 0.2], (50, 1))
    middle, end = two_bone_ik(root, target, 1.0, 0.8, pole)
    np.testing.assert_allclose(np.linalg.norm(middle - root, axis=1), 1.0)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=1), 0.8)
    distance = np.linalg.norm(target - root, axis=1)
    reachable = (distance > 0.3) & (distance < 1.79)
    np.testing.assert_allclose(end[reachable], target[reachable])
    way = (target - root) / distance[:, None]
    np.testing.assert_allclose(np.cross(end - root, way), 0, atol=1e-9)
    # The middle joint bends towards the pole.
    off = middle - root - ((middle - root) * way).sum(axis=1, keepdims=True) * way
    assert ((off * pole).sum(axis=1) >= -1e-9).all()


def test_neutral_stance_is_a_person():
    controls = {name: np.array([value]) for name, value in NEUTRAL.items()}
    joints = pose_body(controls, AVERAGE)[0]
    height = joints[INDEX['head'], 1] - joints[INDEX['left_ankle'], 1]
    assert 380 < height < 410  # 1.6 m from ankle to the middle of the head
    mirrored = {name.replace('left', 'right') for name in INDEX if 'left' in name}
    for name in mirrored:
        left = joints[INDEX[name.replace('right', 'left')]]
        np.testing.assert_allclose(joints[INDEX[name]], left * (-1, 1, 1), atol=1e-9)
