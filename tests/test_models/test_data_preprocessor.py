"""From packed clips to a batch."""

import numpy as np
import pytest
import torch

from mmpointvideo.models import PointVideoDataPreprocessor
from mmpointvideo.registry import MODELS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_batch, tiny_clip


def _samples(count):
    return [
        PointVideoDataSample(metainfo=dict(video_id=f'v{i}', clip_start=10 * i), gt_label=i)
        for i in range(count)
    ]


@pytest.mark.parametrize('lead', [(4,), (2, 2)])
@pytest.mark.parametrize('channels', [0, 2])
def test_positions_and_features_are_those_of_the_clips(lead, channels):
    clips = [torch.from_numpy(tiny_clip(4, 6, channels, i)) for i in range(3)]
    clips = [clip.reshape(*lead, 6, 3 + channels) for clip in clips]
    preprocessor = MODELS.build(dict(type='PointVideoDataPreprocessor'))
    batch = preprocessor(dict(inputs=clips, data_samples=_samples(3)))
    xyz, features = batch['inputs']['xyz'], batch['inputs']['features']
    assert xyz.shape == (3, *lead, 6, 3) and xyz.is_contiguous()
    assert [sample.gt_label.item() for sample in batch['data_samples']] == [0, 1, 2]
    if channels == 0:
        assert features is None
    else:
        assert features.shape == (3, *lead, 2, 6) and features.is_contiguous()
    for b, clip in enumerate(clips):
        for index in np.ndindex(*lead):
            for n in range(6):
                assert torch.equal(xyz[b][index][n], clip[index][n, :3])
                if channels:
                    assert torch.equal(features[b][index][:, n], clip[index][n, 3:])


def test_stacked_clips_without_samples():
    clips = torch.rand(2, 4, 6, 3)
    batch = PointVideoDataPreprocessor()(dict(inputs=clips))
    assert batch['data_samples'] is None
    assert torch.equal(batch['inputs']['xyz'], clips)


def test_same_as_the_tiny_batch():
    clips = [torch.from_numpy(tiny_clip(8, 64, 2, seed)).unflatten(0, (2, 4)) for seed in (5, 6)]
    batch = PointVideoDataPreprocessor()(dict(inputs=clips))['inputs']
    inputs, samples = tiny_batch(2, 8, 64, 2, num_segments=2, seed=5)
    assert torch.equal(inputs['xyz'], batch['xyz'])
    assert torch.equal(inputs['features'], batch['features'])
    assert [sample.video_index for sample in samples] == [0, 1]


@pytest.mark.parametrize('value', [float('nan'), float('inf'), float('-inf')])
def test_not_finite(value):
    clips = [torch.rand(4, 6, 4) for _ in range(3)]
    clips[1][2, 3, 3] = value
    preprocessor = PointVideoDataPreprocessor()
    with pytest.raises(ValueError, match=r'in video v1 \(clip start 10\): check') as error:
        preprocessor(dict(inputs=clips, data_samples=_samples(3)))
    assert 'v0' not in str(error.value) and 'v2' not in str(error.value)
    with pytest.raises(ValueError, match='clip 1 of the batch'):
        preprocessor(dict(inputs=clips))


def test_huge_but_finite_values_pass():
    clips = torch.full((1, 4, 6, 3), 3e38)
    assert PointVideoDataPreprocessor()(dict(inputs=clips))['inputs']['xyz'].isfinite().all()


def test_wrong_input():
    preprocessor = PointVideoDataPreprocessor()
    clips = [torch.rand(4, 6, 3), torch.rand(4, 7, 3)]
    with pytest.raises(ValueError, match=r'v1.*\(4, 7, 3\).*v0.*\(4, 6, 3\)'):
        preprocessor(dict(inputs=clips, data_samples=_samples(2)))
    for wrong in (torch.rand(2, 6, 3), torch.rand(1, 4, 6, 2)):
        with pytest.raises(ValueError, match='expected clips of shape'):
            preprocessor(dict(inputs=wrong))
    with pytest.raises(TypeError, match='floating point'):
        preprocessor(dict(inputs=torch.zeros(1, 4, 6, 3, dtype=torch.int32)))
    with pytest.raises(TypeError, match='list of tensors'):
        preprocessor(dict(inputs=[]))
    with pytest.raises(TypeError, match="expects a dict with 'inputs', got"):
        preprocessor(clips)


@pytest.mark.parametrize('given', [torch.float16, torch.float32, torch.float64])
def test_clips_take_the_type_of_the_model(given):
    preprocessor = PointVideoDataPreprocessor()
    clips = [torch.rand(4, 6, 5).to(given) for _ in range(2)]
    assert not preprocessor.state_dict()
    for wanted in (torch.float32, torch.float64, torch.float16):
        model = preprocessor.to(wanted) if wanted != torch.float32 else preprocessor
        inputs = model(dict(inputs=clips))['inputs']
        assert inputs['xyz'].dtype == inputs['features'].dtype == wanted
        torch.testing.assert_close(inputs['xyz'], torch.stack(clips)[..., :3].to(wanted))


def test_as_many_samples_as_clips():
    clips = [torch.rand(4, 6, 3) for _ in range(3)]
    with pytest.raises(ValueError, match='a data sample for each of 3 clips, got 2'):
        PointVideoDataPreprocessor()(dict(inputs=clips, data_samples=_samples(2)))
    with pytest.raises(TypeError, match='a list of tensors, got a list of ndarray'):
        PointVideoDataPreprocessor()(dict(inputs=[clip.numpy() for clip in clips]))
