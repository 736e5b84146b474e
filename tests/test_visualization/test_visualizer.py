"""MMEngine's side of the visualizer: backends, samples."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from mmpointvideo.registry import VISUALIZERS
from mmpointvideo.structures import PointVideoDataSample
from mmpointvideo.testing import tiny_batch
from mmpointvideo.visualization import PointVideoVisualizer


def build(tmp_path, *backends, **options):
    config = dict(type='PointVideoVisualizer', vis_backends=[dict(type=b) for b in backends])
    # MMEngine keeps one visualizer a name
    config.update(name=str(tmp_path), save_dir=str(tmp_path), **options)
    visualizer = VISUALIZERS.build(config)
    visualizer.dataset_meta = dict(classes=['floor', 'ball', 'wall', 'roof'])
    return visualizer


def sample(**fields):
    inputs, samples = tiny_batch(1, num_frames=3, num_points=50)
    for name, value in fields.items():
        setattr(samples[0], name, value)
    return inputs['xyz'][0], samples[0]


def test_backends_get_pictures(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    visualizer = build(tmp_path, 'LocalVisBackend', 'TensorboardVisBackend')
    labels = torch.arange(150).reshape(3, 50) % 3
    points, filled = sample(gt_pts_seg=labels, pred_pts_seg=labels.flip(1))
    visualizer.add_datasample('val/clip', points, filled, step=7)
    (file,) = tmp_path.rglob('*.png')
    assert file.name == 'val_clip_7.png' and imread(file)[..., :3].std() > 0.05
    events = EventAccumulator(str(next(tmp_path.rglob('events.out*')).parent))
    events.Reload()
    (event,) = events.Images('val_clip')
    assert event.step == 7 and (event.height, event.width) == imread(file).shape[:2]


def test_sample_becomes_a_clip(tmp_path):
    visualizer = build(tmp_path)
    score = torch.tensor([0.1, 0.2, 0.6, 0.1])
    seg = torch.full((3, 50), 255)
    points, filled = sample(gt_label=1, pred_label=2, pred_score=score, pred_pts_seg=seg)
    filled.set_metainfo(dict(frame_inds=[4, 6, 8]))
    clip = visualizer.make_clip(points, filled)
    assert clip.title == 'video000\nis: ball\npredicted: wall (60%)'
    assert clip.frame_names == ['frame 4', 'frame 6', 'frame 8']
    np.testing.assert_array_equal(np.stack(clip.frames), points)
    assert list(clip.layers) == ['height', 'prediction']
    assert list(visualizer.make_clip(points, filled, draw_pred=False).layers) == ['height']
    segments = visualizer.make_clip(points.reshape(3, 1, 50, 3))
    assert len(segments) == 3


def test_writes_files(tmp_path):
    visualizer = build(tmp_path, max_points=20)
    points, filled = sample(pred_pts_seg=torch.ones(3, 50, dtype=torch.int64))
    clip = visualizer.make_clip(points, filled)
    assert [len(frame) for frame in clip.frames] == [20] * 3
    (path,) = visualizer.write(tmp_path / 'clip.png', clip, 'prediction')
    assert imread(path)[..., :3].std() > 0.05
    visualizer.add_datasample('x', points, filled, out_file=tmp_path / 'out.png')
    assert (tmp_path / 'out.png').is_file()


def test_errors(tmp_path):
    visualizer = build(tmp_path)
    points, filled = sample(pred_pts_seg=torch.full((3, 50), 4))
    with pytest.raises(ValueError, match='label 4 in frame 0 is outside the palette of 4 classes'):
        visualizer.make_clip(points, filled)
    points, filled = sample(pred_label=9)
    with pytest.raises(ValueError, match="pred_label 9 of 'video000' is none of the 4 classes"):
        visualizer.make_clip(points, filled)
    points, filled = sample(gt_pts_seg=torch.zeros(3, 49, dtype=torch.int64))
    with pytest.raises(ValueError, match=r'expected shape \(3, 50\), got \(3, 49\)'):
        visualizer.make_clip(points, filled)
    with pytest.raises(ValueError, match=r'expected \(T, N, 3 \+ C\), got \(50, 3\)'):
        visualizer.make_clip(points[0])
    points[1, 3, 0] = float('nan')
    with pytest.raises(ValueError, match='NaN or infinite coordinates in frame 1'):
        visualizer.make_clip(points, PointVideoDataSample())
    assert isinstance(visualizer, PointVideoVisualizer)
