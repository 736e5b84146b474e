"""Readers of real skeletons, and what they do with damage."""

import pickle
import zipfile

import numpy as np
import pytest

from mmpointvideo.simulation import (
    MSR_BODY,
    MSR_CAMERA,
    NTU_BODY,
    SkeletonRejectedError,
    generate_action,
    load_msr_skeleton,
    load_ntu_skeleton,
    read_msr_skeleton,
    repair_skeleton,
    sample_subject,
)
from mmpointvideo.simulation.ntu_skeletons import choose_body, read_ntu_skeletons
from mmpointvideo.simulation.skeletons import msr_to_joints, parse_msr_skeleton

HAND = MSR_BODY.joint_names.index('right_hand')
WRIST = MSR_BODY.joint_names.index('right_wrist')


@pytest.fixture
def wave() -> np.ndarray:
    return generate_action('wave', sample_subject(3), 1)


def as_raw(joints: np.ndarray) -> np.ndarray:
    uv = MSR_CAMERA.project(joints)
    return np.concatenate([uv, joints[..., 2:], np.ones((*joints.shape[:2], 1))], axis=2)


def write_msr(path, raw):
    path.write_text('\n'.join(' '.join(f'{x:.7e}' for x in row) for row in raw.reshape(-1, 4)))
    return path


class TestRepair:
    def test_clean_stays_as_it_is(self, wave):
        joints, report = repair_skeleton(wave)
        np.testing.assert_array_equal(joints, wave)
        assert report.is_clean
        assert report.summary() == f'{len(wave)} of {len(wave)} frames'

    def test_wild_joint_is_interpolated(self, wave):
        raw = as_raw(wave)
        raw[10:13, WRIST, 1] = 2.1e9
        raw[20, HAND, 2] = 0
        joints, report = repair_skeleton(msr_to_joints(raw))
        assert report.repaired_joints == 4
        assert not report.dropped
        assert np.abs(joints - wave).max() < 30
        kept = np.ones(wave.shape[:2], bool)
        kept[10:13, WRIST] = kept[20, HAND] = False
        np.testing.assert_allclose(joints[kept], wave[kept], atol=1e-6)
        # The bones that end in repaired joints keep their length.
        for joint in (WRIST, HAND):
            bone = joints[:, joint] - joints[:, MSR_BODY.parents[joint]]
            if joint == WRIST:
                length = np.linalg.norm(bone, axis=1)
                np.testing.assert_allclose(length, length[0], rtol=1e-6)

    def test_one_frame_leap_of_a_joint(self, wave):
        damaged = wave.copy()
        damaged[15, HAND] += (0, 400, 0)
        joints, report = repair_skeleton(damaged)
        assert report.repaired_joints == 1
        assert np.linalg.norm(joints[15, HAND] - wave[15, HAND]) < 30

    def test_short_gap_is_interpolated(self, wave):
        raw = as_raw(wave)
        raw[10:14] = 0
        joints, report = repair_skeleton(msr_to_joints(raw))
        assert report.repaired_frames == [10, 11, 12, 13]
        assert len(joints) == len(wave)
        assert np.abs(joints - wave).max() < 60

    def test_ends_are_dropped(self, wave):
        damaged = wave.copy()
        damaged[:3] = damaged[-2:] = np.nan
        joints, report = repair_skeleton(damaged)
        np.testing.assert_array_equal(joints, wave[3:-2])
        assert report.dropped == {'body lost': [0, 1, 2, len(wave) - 2, len(wave) - 1]}
        assert report.kept == list(range(3, len(wave) - 2))

    def test_long_gap_keeps_the_longer_side(self, wave):
        damaged = wave.copy()
        damaged[9:18] = np.nan
        joints, report = repair_skeleton(damaged)
        np.testing.assert_array_equal(joints, wave[18:])
        assert report.dropped['cut off by a long gap'] == list(range(9))
        assert report.dropped['body lost'] == list(range(9, 18))

    def test_leap_of_the_body_cuts(self, wave):
        damaged = wave.copy()
        damaged[20:] += (300, 0, 0)
        joints, report = repair_skeleton(damaged)
        np.testing.assert_array_equal(joints, wave[:20])
        assert list(report.dropped) == ['cut off by a leap of the body']

    def test_absurd_body(self, wave):
        damaged = wave.copy()
        centre = damaged[12].mean(axis=0)
        damaged[12] = centre + 3 * (damaged[12] - centre)
        _, report = repair_skeleton(damaged, max_step=1e9)
        assert report.repaired_frames == [12]
        with pytest.raises(SkeletonRejectedError, match='the body measures'):
            repair_skeleton(wave * 10, max_step=1e9)

    def test_joint_lost_for_long_costs_frames(self, wave):
        damaged = wave.copy()
        damaged[:20, HAND] = np.nan
        joints, report = repair_skeleton(damaged)
        np.testing.assert_array_equal(joints, wave[20:])
        assert report.dropped == {'joints lost': list(range(20))}

    @pytest.mark.parametrize('good', [0, 5])
    def test_too_few_frames(self, wave, good):
        damaged = wave.copy()
        damaged[good:] = np.nan
        with pytest.raises(SkeletonRejectedError, match=f'{good} usable frames') as caught:
            repair_skeleton(damaged, name='a01')
        error = pickle.loads(pickle.dumps(caught.value))  # comes back from worker processes
        assert error.report.rejected
        assert 'rejected' in error.report.summary()

    def test_random_damage_never_gives_nonsense(self, wave):
        rng = np.random.default_rng(0)
        raw = as_raw(wave)
        for _ in range(40):
            damaged = raw.copy()
            for value in (0, np.nan, np.inf, -1e30, 2.1e9):
                hit = rng.random(damaged.shape[:2]) < 0.02
                damaged[hit, rng.integers(3)] = value
            start = rng.integers(len(raw))
            damaged[start : start + rng.integers(10)] = 0
            try:
                joints, report = repair_skeleton(msr_to_joints(damaged))
            except SkeletonRejectedError:
                continue
            assert np.isfinite(joints).all()
            assert len(joints) == report.num_kept == len(report.kept)
            dropped = [i for frames in report.dropped.values() for i in frames]
            assert sorted(dropped + report.kept) == list(range(len(raw)))

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r'expected joints \(T, 20, 3\)'):
            repair_skeleton(np.ones((4, 25, 3)))


class TestReadMSR:
    def test_reads_what_was_written(self, wave, tmp_path):
        path = write_msr(tmp_path / 'a01_s01_e01_skeleton.txt', as_raw(wave))
        assert read_msr_skeleton(path).shape == (len(wave), 20, 4)
        joints, report = load_msr_skeleton(path)
        np.testing.assert_allclose(joints, wave, atol=1e-3)
        assert report.is_clean

    def test_unprojection_is_the_published_formula(self):
        raw = np.zeros((1, 20, 4))
        raw[0, 0] = (300, 20, 560, 1)
        joints = msr_to_joints(raw)
        np.testing.assert_allclose(joints[0, 0], [280, -200, 560])
        assert np.isnan(joints[0, 1:]).all()

    @pytest.mark.parametrize(
        ('text', 'match'),
        [
            ('', 'line 0: expected 20 lines a frame, got 0'),
            ('1 2 3 4\n' * 39, 'line 39: expected 20 lines a frame, got 39'),
            ('1 2 3 4\n' * 19 + '1 2 3\n', 'line 20: expected 4 numbers'),
            ('1 2 3 4\n1 2 three 4\n', "line 2: expected 4 numbers .* got '1 2 three 4'"),
        ],
    )
    def test_damaged_text(self, text, match, tmp_path):
        path = tmp_path / 'a01_s01_e01_skeleton.txt'
        path.write_text(text)
        with pytest.raises(ValueError, match=f'a01_s01_e01_skeleton.txt, {match}'):
            read_msr_skeleton(path)

    def test_binary(self, tmp_path):
        (tmp_path / 'x.txt').write_bytes(b'1 2 3\xff\x00')
        with pytest.raises(ValueError, match=r'x.txt, byte 5: expected a text file'):
            read_msr_skeleton(tmp_path / 'x.txt')

    def test_real_sequences(self, shared_dir):
        archive = zipfile.ZipFile(shared_dir / 'data' / 'msr_action3d_skeletons_s01-s08.zip')
        names = sorted(archive.namelist())
        assert len(names) == 447
        known = dict(
            line.split()[:2]
            for line in (shared_dir / 'data' / 'msr_action3d_videos.txt').read_text().splitlines()
            if line.startswith('a')
        )
        damaged = {'a13_s06_e01': (16, 0), 'a11_s03_e03': (39, 7), 'a07_s04_e01': (9, 0)}
        sample = [n for n in names if n[12:23] in damaged] + names[::40]
        for name in sample:
            video = name.split('/')[-1].removesuffix('_skeleton.txt')
            raw = parse_msr_skeleton(archive.read(name).decode('ascii'), name)
            assert len(raw) == int(known[f'{video}_sdepth'])
            joints, report = repair_skeleton(msr_to_joints(raw), name=name)
            assert np.isfinite(joints).all()
            if video in damaged:
                assert (report.num_kept, report.repaired_joints) == damaged.pop(video)
            # Heads up, and a person's size: the paper's radii refer to 1.5 units of 300.
            head, foot = MSR_BODY.joint_names.index('head'), 17
            assert 300 < np.median(joints[:, foot, 1] - joints[:, head, 1]) < 520
        assert not damaged


def write_ntu(path, bodies):
    """``bodies``: id to ``(T, 25, 3)`` metres, NaN where not seen."""
    lines = [str(len(next(iter(bodies.values()))))]
    for t in range(int(lines[0])):
        seen = {k: v[t] for k, v in bodies.items() if np.isfinite(v[t]).all()}
        lines.append(str(len(seen)))
        for key, joints in seen.items():
            lines += [f'{key} 0 1 1 1 1 0 0.1 -0.2 2', '25']
            lines += [f'{x} {y} {z} 250 200 900 500 0 0 0 1 2' for x, y, z in joints]
    path.write_text('\n'.join(lines) + '\n')
    return path


class TestReadNTU:
    @pytest.fixture
    def person(self, wave):
        names = {'hip_centre': 'spine_base', 'spine': 'spine_mid'}
        index = {names.get(n, n): i for i, n in enumerate(MSR_BODY.joint_names)}
        index['spine_shoulder'] = index['neck']
        for side in ('left', 'right'):
            index[f'{side}_hand_tip'] = index[f'{side}_thumb'] = index[f'{side}_hand']
        order = [index[name] for name in NTU_BODY.joint_names]
        return wave[:, order] * 0.004 * (1, -1, 1)

    def test_most_moving_body(self, person, tmp_path):
        still = np.repeat(person[:1], len(person), axis=0) + (1, 0, 0)
        glimpse = np.where(np.arange(len(person))[:, None, None] < 3, person * 5, np.nan)
        path = write_ntu(tmp_path / 'S001.skeleton', {'7': still, '9': person, '5': glimpse})
        bodies = read_ntu_skeletons(path)
        assert choose_body(bodies) == '9'
        assert np.isnan(bodies['5'][3:]).all()
        joints, report = load_ntu_skeleton(path)
        np.testing.assert_allclose(joints, person * (1000, -1000, 1000), atol=1e-6)
        assert report.is_clean

    def test_frames_without_body(self, person, tmp_path):
        person = person.copy()
        person[:2] = person[10:12] = np.nan
        joints, report = load_ntu_skeleton(write_ntu(tmp_path / 'S001.skeleton', {'1': person}))
        assert len(joints) == len(person) - 2
        assert report.repaired_frames == [10, 11]

    @pytest.mark.parametrize('keep', [0, 1, 3, 20, 200])
    def test_cut_short(self, person, keep, tmp_path):
        path = write_ntu(tmp_path / 'S001.skeleton', {'1': person})
        path.write_text('\n'.join(path.read_text().splitlines()[:keep]))
        with pytest.raises(ValueError, match=f'S001.skeleton, line {keep + 1}: .* cut short'):
            load_ntu_skeleton(path)

    def test_garbage(self, person, tmp_path):
        path = write_ntu(tmp_path / 'S001.skeleton', {'1': person})
        lines = path.read_text().splitlines()
        for number, expected in ((1, 'frames'), (2, 'bodies'), (4, 'joints'), (9, '12 numbers')):
            broken = [*lines]
            broken[number - 1] = '1e9 x'
            path.write_text('\n'.join(broken))
            with pytest.raises(ValueError, match=f'line {number}: expected .*{expected}'):
                load_ntu_skeleton(path)

    def test_nobody(self, tmp_path):
        (tmp_path / 'x.skeleton').write_text('2\n0\n0\n')
        with pytest.raises(ValueError, match=r'x\.skeleton: expected at least one body'):
            load_ntu_skeleton(tmp_path / 'x.skeleton')
