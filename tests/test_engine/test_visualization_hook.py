"""Pictures during a run."""

import pytest
import torch
from matplotlib.image import imread
from mmengine.config import Config
from mmengine.runner import Runner

from mmpointvideo.engine.hooks import VisualizationHook
from mmpointvideo.testing import shrink_config, write_tiny_dataset


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, num_frames=(26, 26))
    return root


@pytest.mark.parametrize(
    ('name', 'picture'),
    [
        (
            'pstnet/pstnet-tiny_1xb16-24x1-256pts-linear-40e_msraction3d-skeleton.py',
            'val_predictions_1.png',
        ),
        (
            'pointcpsc/pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_msraction3d-skeleton.py',
            'train_prototypes_1.png',
        ),
    ],
)
def test_draws_in_a_run(root, data_root, tmp_path, name, picture):
    cfg = shrink_config(Config.fromfile(root / 'configs' / name), data_root, tmp_path)
    classes = [f'action {i}' for i in range(20)]  # as many as the head has
    for phase in ('train', 'val'):
        if cfg.get(f'{phase}_dataloader'):
            cfg[f'{phase}_dataloader'].dataset.metainfo = dict(classes=classes)
    hook = dict(type='VisualizationHook', num_clips=2, num_frames=2)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
    cfg.visualizer = dict(type='PointVideoVisualizer', vis_backends=[dict(type='LocalVisBackend')])
    cfg.visualizer.name = cfg.experiment_name = f'{tmp_path.name}-{picture}'
    Runner.from_cfg(cfg).train()
    (file,) = tmp_path.rglob('*.png')
    assert file.name == picture and imread(file)[..., :3].std() > 0.05


def test_collects_the_first_clips():
    hook = VisualizationHook(num_clips=3)
    for start in (0, 2, 4):
        hook.after_val_iter(None, 0, dict(inputs=torch.arange(start, start + 2)), ['a', 'b'])
    assert [int(points) for points, _ in hook._seen] == [0, 1, 2]
    hook.before_val_epoch(None)
    assert hook._seen == []
    with pytest.raises(ValueError, match='interval >= 1, got 0'):
        VisualizationHook(interval=0)
