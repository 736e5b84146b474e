"""Video accuracy against a plain count, on one process and on two."""

import os
import socket
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from mmpointvideo.evaluation import VideoAccuracy
from mmpointvideo.evaluation.video_accuracy import label_ranks
from mmpointvideo.registry import METRICS
from mmpointvideo.structures import PointVideoDataSample


def make_samples(num_videos: int = 20, num_classes: int = 7, seed: int = 0) -> list[dict]:
    """Random predictions for videos of 1 to 4 clips, as the evaluator hands them over."""
    rng = np.random.default_rng(seed)
    samples = []
    for video in range(num_videos):
        label = int(rng.integers(num_classes))
        for _ in range(int(rng.integers(1, 5))):
            score = rng.dirichlet(np.full(num_classes, 0.5))
            score[label] += 0.3 * rng.random()
            sample = PointVideoDataSample(
                metainfo=dict(video_id=f'v{video}', sample_idx=len(samples)),
                gt_label=label,
                pred_score=torch.from_numpy(score / score.sum()),
            )
            samples.append(sample.to_dict())
    return samples


def count_by_hand(samples: list[dict], topk: tuple[int, ...]) -> dict[str, float]:
    videos = defaultdict(list)
    for sample in samples:
        videos[sample['video_id']].append(sample)
    right = {k: 0 for k in topk}
    by_class = defaultdict(list)
    for clips in videos.values():
        label = int(clips[0]['gt_label'])
        mean = sum(clip['pred_score'] for clip in clips) / len(clips)
        order = mean.argsort(descending=True).tolist()
        for k in topk:
            right[k] += label in order[:k]
        by_class[label].append(order[0] == label)
    clips_right = [int(s['pred_score'].argmax()) == int(s['gt_label']) for s in samples]
    result = {f'video_acc_top{k}': 100 * right[k] / len(videos) for k in topk if k > 1}
    result['video_acc'] = 100 * right[1] / len(videos)
    result['mean_class_acc'] = 100 * float(np.mean([np.mean(v) for v in by_class.values()]))
    result['clip_acc'] = 100 * float(np.mean(clips_right))
    return result


def evaluate(samples: list[dict], size: int | None = None, **options) -> dict[str, float]:
    metric = METRICS.build(dict(type='VideoAccuracy', **options))
    for start in range(0, len(samples), 8):
        metric.process(None, samples[start : start + 8])
    return metric.evaluate(len(samples) if size is None else size)


@pytest.mark.parametrize('seed', range(3))
def test_values(seed: int) -> None:
    samples = make_samples(seed=seed)
    expected = count_by_hand(samples, (1, 3, 5))
    found = evaluate(samples, topk=(3, 5))
    assert found == pytest.approx(expected)
    assert found['video_acc'] != pytest.approx(found['clip_acc'])


def test_videos_count_alike_however_many_clips_they_have() -> None:
    def clip(index: int, video: str, label: int, score: list[float]) -> dict:
        meta = dict(video_id=video, sample_idx=index)
        sample = PointVideoDataSample(metainfo=meta, gt_label=label, pred_score=torch.tensor(score))
        return sample.to_dict()

    samples = [clip(0, 'short', 0, [0.4, 0.6])]  # wrong
    # 'long': one sure clip outweighs two unsure ones that are wrong
    samples += [clip(1, 'long', 1, [0.1, 0.9])]
    samples += [clip(i, 'long', 1, [0.55, 0.45]) for i in (2, 3)]
    found = evaluate(samples)
    assert found == {'video_acc': 50.0, 'mean_class_acc': 50.0, 'clip_acc': 25.0}


def test_top5_needs_more_than_five_classes() -> None:
    assert 'video_acc_top5' not in evaluate(make_samples(num_classes=5))
    assert 'video_acc_top5' not in evaluate(make_samples(num_classes=3))
    assert 'video_acc_top5' in evaluate(make_samples(num_classes=6))


def test_ties_go_to_the_lower_class() -> None:
    scores = np.array([[0.25, 0.25, 0.25, 0.25]] * 4)
    assert label_ranks(scores, np.arange(4)).tolist() == [0, 1, 2, 3]


def test_repeated_clips_count_once_and_lost_ones_are_noticed() -> None:
    samples = make_samples()
    once = evaluate(samples)
    assert evaluate(samples + samples[:7], size=len(samples)) == once
    with pytest.raises(ValueError, match=rf'every one of the {len(samples)} clips.*got 1'):
        evaluate(samples[:1], size=len(samples))


def test_prefix_and_reuse() -> None:
    metric = VideoAccuracy(prefix='test')
    for seed in (0, 1):
        samples = make_samples(seed=seed)
        metric.process(None, samples)
        expected = {f'test/{k}': v for k, v in count_by_hand(samples, (1, 5)).items()}
        assert metric.evaluate(len(samples)) == pytest.approx(expected)


def test_bad_predictions_are_named() -> None:
    samples = make_samples()
    bad = dict(samples[3], pred_score=samples[3]['pred_score'] * float('nan'))
    with pytest.raises(ValueError, match=f'video {bad["video_id"]}.*not finite'):
        VideoAccuracy().process(None, [bad])
    del bad['pred_score']
    with pytest.raises(KeyError, match="expects 'pred_score'"):
        VideoAccuracy().process(None, [bad])
    del bad['gt_label']
    with pytest.raises(ValueError, match=f'video {bad["video_id"]}: accuracy needs a label'):
        VideoAccuracy().process(None, [bad])
    samples[0]['gt_label'] = torch.tensor([7])
    samples[0]['video_id'] = 'alone'
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.6.*got \d\.\.7'):
        evaluate(samples)
    samples = make_samples()
    samples[2]['pred_score'] = samples[2]['pred_score'][:5]
    with pytest.raises(ValueError, match=r'as many scores for every clip, got.*\(5,\), \(7,\)'):
        evaluate(samples)
    samples = make_samples()
    samples[1]['video_id'] = samples[0]['video_id']
    samples[1]['gt_label'] = (samples[0]['gt_label'] + 1) % 7
    with pytest.raises(ValueError, match='clips of video v0 have different labels'):
        evaluate(samples)
    with pytest.raises(ValueError, match='positive'):
        VideoAccuracy(topk=(0,))


def evaluate_a_shard(rank: int, port: int, shards: list, size: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=2)
    metric = VideoAccuracy()
    metric.process(None, shards[rank])
    found = metric.evaluate(size)
    np.savez(Path(folder) / f'{rank}.npz', **found)
    metric.process(None, shards[rank][:1])  # both lack clips now: both must stop
    with pytest.raises(ValueError, match='every one'):
        metric.evaluate(size)
    labels = [dict(row, gt_label=torch.tensor([9])) for row in shards[rank]]
    metric.process(None, labels)  # no class: the first process finds it, both must stop
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.6'):
        metric.evaluate(size)
    dist.destroy_process_group()


def test_two_processes_with_uneven_overlapping_shards(tmp_path: Path) -> None:
    samples = make_samples()
    # one after the other, not interleaved; a video is cut in two; three clips are in both
    shards = [samples[:10], samples[7:]]
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    mp.spawn(evaluate_a_shard, (port, shards, len(samples), str(tmp_path)), nprocs=2)
    expected = count_by_hand(samples, (1, 5))
    for rank in range(2):
        with np.load(tmp_path / f'{rank}.npz') as found:
            assert {k: float(found[k]) for k in found.files} == pytest.approx(expected)


def test_scores_of_any_kind() -> None:
    samples = make_samples()
    wanted = evaluate(samples)
    arrays = [{**s, 'pred_score': s['pred_score'].numpy()} for s in samples]
    assert evaluate(arrays) == wanted
    narrow = [{**s, 'pred_score': s['pred_score'].bfloat16()} for s in samples]
    assert evaluate(narrow).keys() == wanted.keys()
    assert evaluate(samples, topk=5) == wanted


def test_a_rank_needs_finite_scores_and_classes() -> None:
    """NaN is neither above nor below anything, and must not count as right."""
    scores = np.array([[0.2, np.nan, 0.8]])
    with pytest.raises(ValueError, match='finite scores'):
        label_ranks(scores, np.array([1]))
    for label in (-1, 3):
        with pytest.raises(ValueError, match=f'labels must be in 0..2.*got {label}..{label}'):
            label_ranks(np.ones((1, 3)), np.array([label]))
    assert label_ranks(np.ones((0, 3)), np.zeros(0, np.int64)).tolist() == []


def test_no_clip_at_all() -> None:
    with pytest.raises(ValueError, match='at least one, got 0'):
        VideoAccuracy().evaluate(0)
