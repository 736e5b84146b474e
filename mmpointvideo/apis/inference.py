"""Predictions for videos that are in no data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from mmpointvideo.datasets.clips import clip_frames
from mmpointvideo.datasets.scene_halves import filled_halves
from mmpointvideo.datasets.scene_merge import ScenePart, merge_scene
from mmpointvideo.models.recognizers import PointVideoRecognizer
from mmpointvideo.models.segmentors import PointVideoSegmentor

from .clip_pipeline import ClipPipeline
from .videos import open_video


def class_names(model: nn.Module) -> list[str]:
    """The classes that a model of :func:`init_model` was trained on; empty where unknown."""
    meta: Any = getattr(model, 'dataset_meta', None) or {}
    return [str(name) for name in meta.get('classes') or []]


@torch.no_grad()
def inference_recognizer(
    model: nn.Module,
    video: Any,
    batch_size: int = 8,
    clips: int | str | None = None,
    pipeline: ClipPipeline | None = None,
) -> dict[str, Any]:
    """Classify a video of any length.

    Args:
        model: A ``PointVideoRecognizer`` from :func:`init_model`.
        video: Anything that ``open_video`` opens.
        batch_size: Clips at a time.
        clips: How many clips, or ``'all'``; by default as the config tests. Their probabilities
            are averaged.
        pipeline: The config's, where it is at hand.

    Returns:
        ``label``, ``name`` (None where classes are unknown), ``score``, ``scores`` (classes,),
        ``clip_starts`` (n,), ``clip_scores`` (n, classes), ``features`` (n, C), arrays.

    Raises:
        TypeError: If the model is no recognizer or the video is nothing of the kind.
        FileNotFoundError, ValueError: If the video cannot be used.
    """
    if not isinstance(model, PointVideoRecognizer):
        raise TypeError(f'expected a PointVideoRecognizer, got {type(model).__name__}')
    source = open_video(video)
    pipeline = pipeline or ClipPipeline(_config(model))
    if batch_size < 1:
        raise ValueError(f'batch_size: expected at least 1, got {batch_size}')
    starts = pipeline.starts(source.num_frames, clips)
    scores, features = [], []
    for begin in range(0, len(starts), batch_size):
        packed = []
        for start in starts[begin : begin + batch_size]:
            inds = clip_frames(
                start, pipeline.num_frames, pipeline.frame_interval, source.num_frames
            )
            packed.append(pipeline.pack(source, inds, start))
        data = _collate(model, packed)
        found = model.extract_feat(data['inputs'])
        samples = model.head.predict(found, data['data_samples'])
        scores.append(torch.stack([sample.pred_score for sample in samples]).float().cpu())
        features.append(found.float().cpu())
    clip_scores = torch.cat(scores).numpy()
    mean = clip_scores.mean(axis=0)
    names, label = class_names(model), int(mean.argmax())
    return dict(
        video_id=source.name,
        label=label,
        name=names[label] if label < len(names) else None,
        score=float(mean[label]),
        scores=mean,
        clip_starts=np.array(starts),
        clip_scores=clip_scores,
        features=torch.cat(features).numpy(),
    )


@torch.no_grad()
def inference_segmentor(
    model: nn.Module,
    video: Any,
    batch_size: int = 4,
    frames: Sequence[int] | None = None,
    centers: np.ndarray | None = None,
    pipeline: ClipPipeline | None = None,
) -> dict[str, Any]:
    """Give every point of a video a class.

    Each frame is predicted with the frames before it, the first ones repeated; points that the
    pipeline did not draw get the class of the nearest that it did.

    Args:
        model: A ``PointVideoSegmentor`` from :func:`init_model`.
        video: Anything that ``open_video`` opens.
        batch_size: Clips at a time.
        frames: Which frames; all by default.
        centers: ``(T, 3)``, where the sensor was in every frame; by default what the store says,
            or else the middle of the frame's points.
        pipeline: The config's, where it is at hand.

    Returns:
        ``frames``, the frames' numbers, and ``point_labels``, per frame ``(n_t,)`` int64;
        ``features`` (frames, C), the mean over the tokens of a frame's clips, NaN for a frame
        without points.

    Raises:
        TypeError: If the model is no segmentor or the video is nothing of the kind.
        FileNotFoundError, IndexError, ValueError: If the video cannot be used.
    """
    if not isinstance(model, PointVideoSegmentor):
        raise TypeError(f'expected a PointVideoSegmentor, got {type(model).__name__}')
    source = open_video(video)
    pipeline = pipeline or ClipPipeline(_config(model))
    if batch_size < 1:
        raise ValueError(f'batch_size: expected at least 1, got {batch_size}')
    wanted = list(range(source.num_frames)) if frames is None else [int(f) for f in frames]
    if not all(0 <= f < source.num_frames for f in wanted):
        raise IndexError(f'frames: expected 0..{source.num_frames - 1}, got {wanted}')
    known = source.centers if centers is None else np.asarray(centers, np.float64)
    jobs, clouds = [], []
    for position, frame in enumerate(wanted):
        xyz = source.read([frame], ()).xyz
        clouds.append(xyz)
        if not len(xyz):
            continue
        center = xyz.mean(axis=0, dtype=np.float64) if known is None else known[frame]
        back = pipeline.frame_interval * np.arange(pipeline.num_frames)
        inds = np.maximum(frame - back, 0)[::-1]
        for half in _halves(pipeline, xyz, center):
            jobs.append((position, inds, half, center))
    parts: list[list[ScenePart]] = [[] for _ in wanted]
    features: list[list[torch.Tensor]] = [[] for _ in wanted]
    for begin in range(0, len(jobs), batch_size):
        chosen = jobs[begin : begin + batch_size]
        packed = [pipeline.pack(source, i, int(i[-1]), half, c) for _, i, half, c in chosen]
        data = _collate(model, packed)
        levels: Any = model.extract_feat(data['inputs'])
        samples = model.head.predict(levels, data['data_samples'])
        tokens = levels[-1][1].float().mean(dim=(1, 3)).cpu()
        for (position, *_), sample, token in zip(chosen, samples, tokens, strict=True):
            keys = ('point_index', 'pred_pts_seg', 'loss_mask')
            parts[position].append(ScenePart(*(sample.get(k)[-1].cpu().numpy() for k in keys)))
            features[position].append(token)
    labels = [
        merge_scene(xyz, part) if part else np.zeros(0, np.int64)
        for xyz, part in zip(clouds, parts, strict=True)
    ]
    width = next(len(f[0]) for f in features if f)
    unknown = torch.full((1, width), torch.nan)
    means = [torch.stack(f or [*unknown]).mean(dim=0).numpy() for f in features]
    return dict(
        video_id=source.name,
        frames=wanted,
        point_labels=labels,
        features=np.stack(means),
    )


def _halves(pipeline: ClipPipeline, xyz: np.ndarray, center: np.ndarray) -> list[int | None]:
    """Which halves of a frame hold points; None: it is not cut."""
    if not pipeline.is_scene:
        raise ValueError(
            'the config of this segmentor has no CropHalfScene in its test pipeline: expected a '
            'pipeline for scenes'
        )
    return [*filled_halves(xyz, center)] if pipeline.halves else [None]


def _collate(model: Any, packed: list[dict]) -> dict[str, Any]:
    data = {key: [item[key] for item in packed] for key in ('inputs', 'data_samples')}
    return model.data_preprocessor(data, False)


def _config(model: Any) -> Any:
    cfg = getattr(model, 'cfg', None)
    if cfg is None:
        raise ValueError('expected a model from init_model: its config says how clips are prepared')
    return cfg
