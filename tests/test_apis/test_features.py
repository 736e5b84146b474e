"""Features of data sets, with labels and without."""

import json

import pytest
import torch
from mmengine.config import Config

from mmpointvideo.apis import (
    build_feature_dataloader,
    check_labels,
    extract_features,
    init_feature_model,
    init_model,
    init_recognizer,
)
from mmpointvideo.testing import write_tiny_dataset

from .test_inferencer import recognizer_config, segmentor_config


@pytest.fixture
def unlabelled(tmp_path):
    """A data set of six videos; two of them have no label."""
    ann_file = write_tiny_dataset(tmp_path, num_frames=(9,))
    annotations = json.loads(ann_file.read_text())
    for index in (1, 4):
        del annotations['data_list'][index]['gt_label']
    ann_file.write_text(json.dumps(annotations))
    return tmp_path


def test_videos_without_a_label(unlabelled):
    cfg = recognizer_config(unlabelled)
    cfg.test_dataloader.dataset.clips = 1
    model = init_model(cfg, device='cpu')
    found = extract_features(model, build_feature_dataloader(cfg, 'test'), progress=False)
    assert found['labels'].tolist() == [0, -1, 0, 1, -1, 1] and found['labels'].dtype == torch.int64
    assert len(found['features']) == 6 and len(set(found['video_ids'])) == 6
    with pytest.raises(ValueError, match='video a01_s02_e01: a test needs a label .*, 2 have none'):
        check_labels(found, 'a test')
    found['labels'][[1, 4]] = 0
    check_labels(found, 'a test')


def test_models_without_a_feature_of_a_clip(root, tmp_path):
    (config,) = (root / 'configs').rglob('pointcpsc_pstnet-tiny_1xb32-24x1*40e_builtin-actions.py')
    for cfg, name in ((Config.fromfile(config), 'PointCPSC'), (segmentor_config(), None)):
        name = name or 'PointVideoSegmentor'
        with pytest.raises(ValueError, match=f'one feature of a clip, got {name}: use a config of'):
            init_feature_model(cfg, 'random', device='cpu')
        with pytest.raises(ValueError, match=f'of a PointVideoRecognizer, got that of a {name}'):
            init_recognizer(cfg, device='cpu')
    path = tmp_path / 'empty.py'
    path.write_text('a = 1')
    with pytest.raises(ValueError, match='empty.py: expected a model in it, got none'):
        init_model(path)
