"""From videos to predictions."""

import json
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmpointvideo.apis import (
    PointVideoInferencer,
    build_feature_dataloader,
    extract_features,
    find_config,
    inference_recognizer,
    inference_segmentor,
    init_model,
    list_models,
)
from mmpointvideo.apis.clip_pipeline import ClipPipeline
from mmpointvideo.datasets.conversion import convert_msr_bin
from mmpointvideo.datasets.storage import PointVideoWriter
from mmpointvideo.datasets.transforms import PointVideoTransform
from mmpointvideo.registry import TRANSFORMS
from mmpointvideo.testing import tiny_clip, write_tiny_dataset

PIPELINE = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=40),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='PackPointVideoInputs'),
]
SCENE_PIPELINE = [
    dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=128),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(type='MapPointLabels', label_ids=[2, 3], ignored_ids=[0]),
    dict(type='PackSceneInputs'),
]


def recognizer_config(data_root):
    dataset = dict(
        type='MSRAction3DDataset',
        data_root=str(data_root),
        ann_file='annotations.json',
        split='all',
        num_frames=8,
        clips=3,
        test_mode=True,
        pipeline=PIPELINE,
    )
    encoder = dict(type='PSTNetEncoder', width=1 / 16, padding_mode='replicate')
    head = dict(type='ActionClsHead', in_channels=128, num_classes=2)
    loader = dict(batch_size=4, dataset=dataset, sampler=dict(type='DefaultSampler', shuffle=False))
    return Config(
        dict(
            default_scope='mmpointvideo',
            model=dict(type='PointVideoRecognizer', encoder=encoder, head=head),
            train_dataloader=loader,
            test_dataloader=loader,
        )
    )


def segmentor_config():
    encoder = dict(
        type='P4TransformerEncoder',
        variant='scene',
        in_channels=3,
        radius=0.9,
        num_neighbors=4,
        width=1 / 32,
    )
    head = dict(
        type='PointSegHead',
        in_channels=[3, 4, 8, 16, 32],
        decoder_channels=[[16], [16], [8], [8]],
        num_classes=2,
    )
    dataset = dict(num_frames=3, pipeline=SCENE_PIPELINE)
    return Config(
        dict(
            default_scope='mmpointvideo',
            model=dict(type='PointVideoSegmentor', encoder=encoder, head=head),
            test_dataloader=dict(dataset=dataset),
        )
    )


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, num_frames=(12, 5))
    return root


@pytest.fixture(scope='module')
def inferencer(data_root, tmp_path_factory):
    cfg = recognizer_config(data_root)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'a.pth'
    meta = dict(dataset_meta=dict(classes=['wave', 'kick']))
    torch.save(dict(state_dict=init_model(cfg, device='cpu').state_dict(), meta=meta), path)
    return PointVideoInferencer(cfg, path, 'cpu', batch_size=2)


def video(data_root, take=1):
    return data_root / 'videos' / f'a01_s01_e0{take}.pvs'


def test_predicts_as_the_test_loop_does(inferencer, data_root):
    """The same clips, the same points: features equal those of the data set's own loader."""
    found = extract_features(
        inferencer.model, build_feature_dataloader(inferencer.model.cfg, 'test'), progress=False
    )
    result = inferencer(video(data_root), return_features=True)[0]
    rows = [i for i, name in enumerate(found['video_ids']) if name == 'a01_s01_e01']
    assert result['clip_starts'].tolist() == [found['clip_starts'][i] for i in rows] == [0, 2, 4]
    np.testing.assert_allclose(result['features'], found['features'][rows], rtol=1e-4, atol=1e-5)
    assert result['name'] == ['wave', 'kick'][result['label']]
    np.testing.assert_allclose(result['scores'], result['clip_scores'].mean(axis=0))
    assert result['score'] == pytest.approx(result['scores'].max())


def test_nested_videos_are_drawn_as_in_the_test_loop(inferencer, data_root, tmp_path):
    """Of two videos of one file name each keeps its folder, in the draws and in the results."""
    ann_file = tmp_path / 'annotations.json'
    annotations = json.loads((data_root / 'annotations.json').read_text())
    videos = annotations['data_list'][:2]
    for video, name in zip(videos, ('s1/jump', 's2/jump'), strict=True):
        path = tmp_path / 'videos' / f'{name}.pvs'
        path.parent.mkdir(parents=True)
        shutil.copy(data_root / video['video_path'], path)
        video.update(video_id=name, video_path=f'videos/{name}.pvs')
    ann_file.write_text(json.dumps(dict(annotations, data_list=videos)))
    cfg = recognizer_config(tmp_path)
    loader = build_feature_dataloader(cfg, 'test')
    found = extract_features(inferencer.model, loader, progress=False)
    paths = [tmp_path / video['video_path'] for video in videos]
    results = inferencer(paths, return_features=True, out_dir=tmp_path / 'out')
    assert [result['video_id'] for result in results] == ['s1/jump', 's2/jump']
    features = np.concatenate([result['features'] for result in results])
    np.testing.assert_allclose(features, found['features'], rtol=1e-4, atol=1e-5)
    assert (tmp_path / 'out' / 's2' / 'jump.png').is_file()


def test_a_raw_video_has_the_answer_of_its_store(inferencer, tmp_path):
    depth = np.random.default_rng(0).integers(500, 900, (9, 8, 12)).astype('<u4')
    raw = tmp_path / 'a01_s01_e01_sdepth.bin'
    raw.write_bytes(np.array([9, 12, 8], '<i4').tobytes() + depth.tobytes())
    store = tmp_path / 'videos' / 'a01_s01_e01.pvs'
    convert_msr_bin(raw, store)
    one, two = inferencer([raw, store])
    assert one['video_id'] == two['video_id'] == 'a01_s01_e01'
    np.testing.assert_array_equal(one['clip_scores'], two['clip_scores'])


def test_every_kind_and_length(inferencer, data_root):
    clip = tiny_clip(9, 60) * 300
    videos = [video(data_root, 1), video(data_root, 2), clip, list(clip[:3]), clip[:1]]
    results = inferencer(videos, clips='all')
    assert [len(r['clip_starts']) for r in results] == [5, 1, 2, 1, 1]
    assert [r['video_id'] for r in results[:3]] == ['a01_s01_e01', 'a01_s01_e02', 'video_2']
    assert all(abs(r['scores'].sum() - 1) < 1e-5 and 'features' not in r for r in results)
    assert len(inferencer(list(clip))) == 1  # a list of frames is one video
    one = inference_recognizer(inferencer.model, videos[0], batch_size=5, clips='all')
    np.testing.assert_allclose(one['scores'], results[0]['scores'], rtol=1e-4)


def test_an_array_has_one_answer_wherever_it_stands(inferencer, data_root):
    clip, other = tiny_clip(9, 60) * 300, tiny_clip(5, 60) * 300
    alone = inferencer(clip)[0]
    for result in (inferencer([other, clip])[1], inferencer(list(clip))[0]):
        np.testing.assert_array_equal(result['clip_scores'], alone['clip_scores'])
    assert inferencer([other, clip])[1]['video_id'] == 'video_1'


def test_pictures(inferencer, data_root, tmp_path):
    result = inferencer(video(data_root), out_dir=tmp_path)[0]
    assert result['pictures'] == [tmp_path / 'a01_s01_e01.png'] and result['pictures'][0].is_file()


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    """Two frames: a floor beyond the camera, later one on both sides of it."""
    path = tmp_path_factory.mktemp('scene') / 'street.pvs'
    rng = np.random.default_rng(0)
    channels = {'rgb': ('uint8', 3)}
    centers = [[0.0, -2, 0]] * 2
    with PointVideoWriter(path, 'points', channels=channels, meta=dict(centers=centers)) as writer:
        for low in (2, -8):
            xyz = rng.uniform([-8, 0, low], [8, 1, 8], (150, 3))
            writer.append_points(xyz, {'rgb': rng.integers(0, 256, (150, 3), np.uint8)})
    return path


def test_segments_every_point(scene, tmp_path):
    torch.manual_seed(0)
    inferencer = PointVideoInferencer(init_model(segmentor_config(), device='cpu'))
    result = inferencer(scene, return_features=True, out_dir=tmp_path)[0]
    assert result['frames'] == [0, 1] and result['features'].shape == (2, 32)
    for labels in result['point_labels']:
        assert labels.shape == (150,) and set(labels) <= {0, 1}
    assert result['pictures'][0].is_file()
    again = inference_segmentor(inferencer.model, scene, batch_size=1, frames=[1])
    np.testing.assert_array_equal(again['point_labels'][0], result['point_labels'][1])
    with pytest.raises(IndexError, match=r'expected 0..1, got \[2\]'):
        inference_segmentor(inferencer.model, scene, frames=[2])
    street = np.random.default_rng(1).uniform(-8, 8, (150, 6))
    gap = inferencer([street, street[:0], street], return_features=True)[0]
    assert [len(labels) for labels in gap['point_labels']] == [150, 0, 150]
    assert np.isnan(gap['features']).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(gap['features'][[0, 2]]).all()
    with pytest.raises(ValueError, match="needs the channel 'rgb'"):
        inferencer(np.random.rand(2, 80, 3))
    with pytest.raises(TypeError, match='expected a PointVideoRecognizer, got PointVideoSegmentor'):
        inference_recognizer(inferencer.model, scene)


def test_errors(inferencer, data_root, tmp_path):
    with pytest.raises(TypeError, match='expected a PointVideoSegmentor'):
        inference_segmentor(inferencer.model, video(data_root))
    with pytest.raises(ValueError, match='not one of this PointVideoRecognizer'):
        path = tmp_path / 'other.pth'
        torch.save(dict(state_dict={'head.weight': torch.zeros(2)}), path)
        PointVideoInferencer(recognizer_config(data_root), path, 'cpu')
    with pytest.raises(FileNotFoundError):
        PointVideoInferencer(recognizer_config(data_root), tmp_path / 'none.pth')
    with pytest.raises(TypeError, match='got Linear: a model of pre-training predicts no classes'):
        PointVideoInferencer(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match='got PointCPSC: a model of pre-training'):
        name = 'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_builtin-actions'
        PointVideoInferencer(name, device='cpu')
    with pytest.raises(ValueError, match='batch_size'):
        PointVideoInferencer(inferencer.model, batch_size=0)
    with pytest.raises(ValueError, match='NaN or infinite values in frame 2'):
        bad = tiny_clip(8, 20)
        bad[2, 5] = np.inf
        inferencer(bad)
    with pytest.raises(ValueError, match='the video is empty'):
        inferencer(np.zeros((8, 0, 3)))


def test_model_names():
    names = list_models()
    name = 'pstnet_1xb16-24x1-2048pts-35e_msraction3d'
    assert name in names and names == sorted(names) and 'default_runtime' not in names
    assert find_config(name).name == f'{name}.py' == find_config(find_config(name)).name
    assert name in list_models('pstnet_1xb16-*') and name not in list_models('ntu60')
    with pytest.raises(FileNotFoundError, match="no model of the name 'pstnet_1xb16'; do you mean"):
        find_config('pstnet_1xb16')
    with pytest.raises(FileNotFoundError, match='no config .*nothing.py'):
        find_config('nothing.py')


@pytest.mark.parametrize(
    ('clips', 'kind', 'message'),
    [
        (0, ValueError, 'clips: expected at least 1, got 0'),
        ('some', ValueError, "clips: expected 'all'"),
        ('random', ValueError, "clips: expected 'all' or a number"),
        (1.5, TypeError, 'clips: expected an integer'),
    ],
)
def test_numbers_of_clips(inferencer, data_root, clips, kind, message):
    with pytest.raises(kind, match=message):
        inferencer(video(data_root), clips=clips)


def test_hidden_files_are_no_frames(inferencer, tmp_path):
    for name in ('frame_2.npy', 'frame_10.npy', 'f.npy'):
        np.save(tmp_path / name, tiny_clip(1, 60)[0] * 300)
    (tmp_path / '._frame_2.npy').write_bytes(b'junk of another system')
    assert inferencer(tmp_path)[0]['clip_starts'].tolist() == [0]


def test_videos_of_one_name_have_pictures_of_their_own(inferencer, data_root, tmp_path):
    results = inferencer([video(data_root), video(data_root)], out_dir=tmp_path)
    names = [path.name for result in results for path in result['pictures']]
    assert names == ['a01_s01_e01.png', 'a01_s01_e01_2.png']


def test_clips_and_transforms_are_those_of_the_test(data_root):
    cfg = recognizer_config(data_root)
    cfg.test_dataloader.dataset.update(clip_stride=3, clips='all')
    assert ClipPipeline(cfg).starts(20) == [0, 3, 6, 9, 12]
    dataset = cfg.train_dataloader.dataset
    random = [dict(type=f'Random{name}') for name in ('Scale', 'Flip', 'Color')]
    random += [dict(type='RandomRotate', angle_range=(0, 1)), dict(type='RandomJitter', sigma=1)]
    random += [dict(type='Mine')]
    dataset.pipeline = [*PIPELINE[:4], *random, PIPELINE[4]]
    cfg.test_dataloader = None

    class Mine(PointVideoTransform):
        is_augmentation = True

        def transform(self, results):
            return results

    with TRANSFORMS.switch_scope_and_registry('mmpointvideo') as registry:
        registry.register_module(module=Mine)
        try:
            steps = [type(step).__name__ for step in ClipPipeline(cfg).steps]
        finally:
            registry._module_dict.pop('Mine')
    assert steps == [
        'LoadPointVideoFrames', 'SamplePoints', 'ScaleCoordinates', 'PackPointVideoInputs'
    ]  # fmt: skip
