"""SegIoU against a count of sets of points, on one process and on two."""

import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from mmpointvideo.evaluation import SegIoU
from mmpointvideo.registry import METRICS
from mmpointvideo.structures import PointVideoDataSample

CLASSES = ('road', 'car', 'pole', 'bicycle', 'light')


def make_samples(count: int = 9, seed: int = 0) -> list[dict]:
    """Bicycle (3) never occurs; light (4) is never labelled but sometimes predicted."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        label = rng.choice([0, 1, 2, 255], (3, 40), p=[0.5, 0.3, 0.1, 0.1])
        other = rng.choice([0, 1, 2, 4], label.shape)
        prediction = np.where(rng.random(label.shape) < 0.6, label, other)
        sample = PointVideoDataSample(
            metainfo=dict(video_id='v', sample_idx=index),
            gt_pts_seg=label,
            pred_pts_seg=np.where(prediction == 255, 0, prediction),
        )
        if index % 3:
            sample.loss_mask = torch.from_numpy(rng.random(label.shape) < 0.7)
        samples.append(sample.to_dict())
    return samples


def count_by_hand(samples: list[dict], frames: str) -> dict[str, float]:
    truth: list[set] = [set() for _ in CLASSES]
    found: list[set] = [set() for _ in CLASSES]
    for sample in samples:
        label, prediction = sample['gt_pts_seg'], sample['pred_pts_seg']
        for t, n in np.ndindex(*label.shape):
            mask = sample.get('loss_mask')
            outside = mask is not None and not mask[t, n]
            if outside or label[t, n] == 255 or (frames == 'last' and t != 2):
                continue
            point = (sample['sample_idx'], t, n)
            truth[label[t, n]].add(point)
            found[prediction[t, n]].add(point)
    iou, accuracy = [], []
    for t, f in zip(truth, found, strict=True):
        iou.append(100 * len(t & f) / len(t | f) if t | f else 0.0)
        accuracy.append(100 * len(t & f) / len(t) if t else 0.0)
    right = sum(len(t & f) for t, f in zip(truth, found, strict=True))
    result = dict(mIoU=float(np.mean(iou)), mAcc=float(np.mean(accuracy)))
    result['acc'] = 100 * right / sum(map(len, truth))
    return result | {f'IoU_{name}': v for name, v in zip(CLASSES, iou, strict=True)}


def metric(**options) -> SegIoU:
    built = METRICS.build(dict(type='SegIoU', **options))
    built.dataset_meta = dict(classes=CLASSES)
    return built


@pytest.mark.parametrize('frames', ['last', 'all'])
@pytest.mark.parametrize('seed', range(2))
def test_values(frames: str, seed: int) -> None:
    samples = make_samples(seed=seed)
    iou = metric(frames=frames)
    for start in range(0, len(samples), 4):
        iou.process(None, samples[start : start + 4])
    found = iou.evaluate(len(samples))
    assert found == pytest.approx(count_by_hand(samples, frames))
    assert found['IoU_bicycle'] == found['IoU_light'] == 0 < found['IoU_pole']


def test_table_marks_empty_classes(monkeypatch) -> None:
    lines = []
    monkeypatch.setattr(
        'mmpointvideo.evaluation.seg_iou.print_log', lambda text, **_: lines.append(text)
    )
    samples = make_samples()
    iou = metric()
    iou.process(None, samples)
    iou.evaluate(len(samples))
    rows = {line.split()[0]: line for line in lines[0].split('\n') if line}
    assert rows['bicycle'].endswith('empty union') and rows['light'].endswith('no points')
    assert not rows['road'].endswith(('union', 'points'))


def test_segments_and_repeated_clips_and_prefix() -> None:
    samples = make_samples()
    split = [dict(s) for s in samples]
    for sample in split:
        for name in ('gt_pts_seg', 'pred_pts_seg', 'loss_mask'):
            if name in sample:
                sample[name] = sample[name][:, None]  # (L, T/L, N)
    iou = metric(prefix='test')
    iou.process(None, split + samples[:4])
    expected = {f'test/{k}': v for k, v in count_by_hand(samples, 'last').items()}
    assert iou.evaluate(len(samples)) == pytest.approx(expected)
    iou.process(None, samples[:-1])
    with pytest.raises(ValueError, match='every one of the 9 clips.*got 8'):
        iou.evaluate(len(samples))


def test_nothing_counts() -> None:
    sample = make_samples(2)[1]
    sample['loss_mask'] = torch.zeros_like(sample['loss_mask'])
    iou = metric()
    iou.process(None, [sample])
    assert set(iou.evaluate(1).values()) == {0.0}


def test_bad_samples_are_named() -> None:
    sample = make_samples(1)[0]
    wrong = dict(sample, pred_pts_seg=sample['pred_pts_seg'] + 5)
    with pytest.raises(ValueError, match=r'video v, sample 0: pred_pts_seg.*0\.\.4'):
        metric().process(None, [wrong])
    with pytest.raises(ValueError, match='equal shapes'):
        metric().process(None, [dict(sample, pred_pts_seg=sample['pred_pts_seg'][:2])])
    del wrong['pred_pts_seg']
    with pytest.raises(KeyError, match="expects 'pred_pts_seg'"):
        metric().process(None, [wrong])
    with pytest.raises(ValueError, match='num_classes'):
        SegIoU().process(None, [sample])
    with pytest.raises(ValueError, match='frames'):
        SegIoU(frames='first')
    plain = SegIoU(num_classes=5)
    plain.process(None, [sample])
    assert 'IoU_3' in plain.evaluate(1)


def evaluate_a_shard(rank: int, port: int, shards: list, size: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=2)
    iou = metric()
    iou.process(None, shards[rank])
    found = iou.evaluate(size)
    (Path(folder) / f'{rank}.json').write_text(json.dumps(found))
    dist.destroy_process_group()


def test_two_processes_with_uneven_overlapping_shards(tmp_path: Path) -> None:
    samples = make_samples()
    shards = [samples[:7], samples[5:]]
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    mp.spawn(evaluate_a_shard, (port, shards, len(samples), str(tmp_path)), nprocs=2)
    for rank in range(2):
        found = json.loads((tmp_path / f'{rank}.json').read_text())
        assert found == pytest.approx(count_by_hand(samples, 'last'))


@pytest.mark.parametrize('kind', [torch.uint8, torch.int8, np.uint8])
def test_narrow_labels(kind) -> None:
    """19 * 20 + 19 is more than such a label can be."""
    labels, predictions = np.random.default_rng(0).integers(0, 20, (2, 1, 500))
    found = []
    for narrow in (False, True):
        pair = [labels, predictions]
        if narrow and isinstance(kind, torch.dtype):
            pair = [torch.from_numpy(x).to(kind) for x in pair]
        elif narrow:
            pair = [x.astype(kind) for x in pair]
        seen = SegIoU(num_classes=20)
        seen.process(None, [dict(gt_pts_seg=pair[0], pred_pts_seg=pair[1], sample_idx=0)])
        found.append(seen.evaluate(1))
    assert found[0] == found[1]


def test_no_clip_at_all() -> None:
    with pytest.raises(ValueError, match='at least one, got 0'):
        SegIoU(num_classes=2).evaluate(0)
