"""What programs use, with the model on a device: the results are those on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmpointvideo.apis import (
    PointVideoInferencer,
    build_feature_dataloader,
    build_scene_dataset,
    encode_superpoints,
    extract_features,
    init_feature_model,
    init_model,
    point_prototypes,
    prototype_shares,
    score_scenes,
    segment_scenes,
)
from mmpointvideo.checkpoints import load_encoder_weights
from mmpointvideo.engine import calibrate_batch_norm
from mmpointvideo.evaluation import knn_classify, knn_video_accuracy, leave_one_group_out
from mmpointvideo.models.memories import Provenance
from mmpointvideo.ops import use_backend
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_clip, write_tiny_dataset, write_tiny_scenes
from mmpointvideo.testing.runs import tiny_pretraining
from mmpointvideo.visualization import PointVideoVisualizer

from .test_inferencer import SCENE_PIPELINE, recognizer_config, segmentor_config

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, subjects=(1, 6), num_frames=(12,))
    return root


@pytest.fixture(autouse=True)
def _torch_backend() -> Iterator[None]:
    with use_backend('torch'):
        yield


def model_on(there: torch.device, cfg: Config, checkpoint: Path | None = None) -> Any:
    torch.manual_seed(0)
    model = init_model(cfg, checkpoint, there)
    assert {value.device for value in model.state_dict().values()} == {there}
    return model


def assert_equal(got: Any, expected: Any) -> None:
    """Of numbers, arrays and tensors of the CPU in dictionaries and lists."""
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        got, expected = list(got.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_equal(one, other)
    elif isinstance(expected, torch.Tensor | np.ndarray | float):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
    else:
        assert got == expected


def votes_on(there: torch.device) -> Callable:
    return lambda *tensors: knn_classify(*(x.to(there) for x in tensors), 2, k=3)


def test_features_and_what_is_made_of_them(device: torch.device, data_root: Path) -> None:
    """Calibration, extraction, votes; on the device, too."""
    cfg = recognizer_config(data_root)
    found = []
    for there in (CPU, device):
        model = model_on(there, cfg)
        loader = build_feature_dataloader(cfg, 'train')
        assert calibrate_batch_norm(model, loader, 2) == 2
        features = extract_features(model, loader, progress=False)
        assert type(features['features']) is torch.Tensor
        groups = [name[4:7] for name in features['video_ids']]
        x, labels = features['features'].to(there), features['labels'].to(there)
        scores = knn_classify(x, labels, x, num_classes=2, k=3)
        assert scores.device == there
        assert torch.equal(knn_classify(x, features['labels'], x, num_classes=2, k=3), scores)
        known = dict(features, features=x, labels=labels)
        probe = leave_one_group_out(features, groups, votes_on(there))
        assert leave_one_group_out(known, groups, votes_on(there)) == probe
        statistics = model.encoder.conv4.norm.running_mean.cpu()
        accuracy = knn_video_accuracy(known, known, 2)
        found.append([features, scores.cpu(), accuracy, probe, statistics])
    assert_equal(found[1], found[0])
    assert found[0][1].sum(dim=1) == pytest.approx(np.ones(len(groups)), abs=1e-5)
    assert found[0][-1].any()
    random = init_feature_model(cfg, 'random', calibration_batches=1, device=str(device))
    assert random.encoder.conv4.norm.running_mean.device == device
    with pytest.raises((RuntimeError, ValueError), match='same device'):
        knn_classify(x, labels, x.cpu(), num_classes=2)


def test_recognizer(device: torch.device, data_root: Path, tmp_path: Path) -> None:
    """Videos of every kind, tensors on the device among them; a checkpoint of the device."""
    cfg = recognizer_config(data_root)
    clip = tiny_clip(9, 60) * 300
    path = data_root / 'videos' / 'a01_s01_e01.pvs'
    expected = PointVideoInferencer(model_on(CPU, cfg))([path, clip], return_features=True)
    model = model_on(device, cfg)
    videos = [path, torch.from_numpy(clip).to(device)]
    assert_equal(PointVideoInferencer(model)(videos, return_features=True), expected)
    frames = [torch.from_numpy(frame).to(device) for frame in clip]
    assert_equal(PointVideoInferencer(model)(frames)[0]['scores'], expected[1]['scores'])

    checkpoint = tmp_path / 'gpu.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(seed=0)), checkpoint)
    with pytest.raises(RuntimeError, match='Attempting to deserialize object on a CUDA device'):
        torch.load(checkpoint)
    for there in (CPU, device):
        inferencer = PointVideoInferencer(model_on(there, cfg, checkpoint))
        assert_equal(inferencer(videos, return_features=True), expected)
    other = init_model(cfg, device=device)
    report = load_encoder_weights(other.encoder, checkpoint)
    assert report.complete
    for name, value in model.encoder.state_dict().items():
        assert torch.equal(other.encoder.state_dict()[name], value)


def test_segmentor(device: torch.device) -> None:
    street = np.random.default_rng(1).uniform(-8, 8, (150, 6))
    found = []
    for there in (CPU, device):
        model = model_on(there, segmentor_config())
        with torch.no_grad():  # predict both classes
            model.head.classifier.weight.sub_(model.head.classifier.weight.mean(1, keepdim=True))
            model.head.classifier.bias.zero_()
        inferencer = PointVideoInferencer(model)
        found.append(inferencer([street, street[:0], street], return_features=True))
    assert_equal(found[1], found[0])
    clip, sample = torch.rand(2, 9, 6, device=device), PointVideoDataSample()
    sample.pred_pts_seg = (clip[..., 3] * 2).long()
    drawn = PointVideoVisualizer().make_clip(clip, sample)
    assert (np.stack(drawn.layers['prediction'].values) == sample.pred_pts_seg.tolist()).all()
    assert all(0 < labels.sum() < 150 for labels in found[0][0]['point_labels'][::2])


def test_whole_scenes(device: torch.device, tmp_path: Path) -> None:
    write_tiny_scenes(tmp_path, num_frames=3)
    cfg = segmentor_config()
    cfg.test_dataloader.dataset = dict(
        type='Synthia4DDataset',
        data_root=str(tmp_path),
        ann_file='annotations.json',
        split='test',
        num_frames=3,
        frame_interval=1,
        clips=1,
        test_mode=True,
        pipeline=[dict(type='SampleFrames'), *SCENE_PIPELINE[:5], *SCENE_PIPELINE[6:]],
    )
    cfg.model.head.num_classes = 12
    found = []
    for there in (CPU, device):
        dataset = build_scene_dataset(cfg)
        scenes = list(segment_scenes(model_on(there, cfg), dataset))
        found.append((score_scenes(scenes, dataset), scenes[0].pred_label))
    assert_equal(found[1], found[0])
    assert found[0][0]['acc'] > 0


def test_superpoints(device: torch.device, data_root: Path, tmp_path: Path) -> None:
    cfg = tiny_pretraining(tmp_path, data_root)
    clip = tiny_clip(6, 60) * 300
    found = []
    for there in (CPU, device):
        model = model_on(there, cfg)
        superpoints = encode_superpoints(model, clip, [0, 2, 5], batch_size=2)
        tokens = superpoints.tokens.flatten(0, 1)
        where = Provenance(torch.arange(len(tokens)), torch.arange(len(tokens)), tokens[:, :3])
        model.memory_bank.enqueue(tokens, where)  # of the CPU, into a bank on the device
        shares = prototype_shares(model, superpoints)
        labels = point_prototypes(model, clip, [0, 2])
        bank = model.memory_bank.valid_features()
        assert bank.device == there
        found.append((*superpoints, shares, labels, bank.cpu(), model.memory_bank.position.cpu()))
    assert_equal(found[1], found[0])
    assert found[0][-2].norm(dim=1) == pytest.approx(np.ones(len(bank)), abs=1e-5)
