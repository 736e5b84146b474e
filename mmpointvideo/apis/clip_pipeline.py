"""A config's data pipeline, for videos that are in no data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpointvideo.datasets.clips import check_clip_options, clip_span, clip_starts
from mmpointvideo.datasets.transforms import (
    CropHalfScene,
    LoadPointVideoFrames,
    MapPointLabels,
    PackPointVideoInputs,
    SampleFrames,
    SamplePoints,
    ScaleCoordinates,
    SplitSegments,
)
from mmpointvideo.datasets.transforms.base import build_transforms

from .videos import Video

# labels, and what :meth:`ClipPipeline.pack` is told
_LEFT_OUT = (MapPointLabels, SampleFrames, SplitSegments)


class ClipPipeline:
    """What a config does with a clip before its model sees it, without labels and chance.

    The test pipeline where there is one, else the training pipeline; without augmentations (points
    are still drawn, by the clip's start and the name of a video on disk: every time the same). A
    frame without points takes those of the clip's nearest frame that has some.

    Args:
        cfg: A config with a dataloader.

    Attributes:
        num_frames: T.
        frame_interval: Distance between two frames.
        clip_stride: Distance between the starts of two clips.
        clips: How many clips a video has.
        halves: Scenes are cut into halves.
        scale: Factor from the data set's unit to the network's.
        num_segments: L, or None.

    Raises:
        ValueError: If the config has no dataloader with a pipeline.
    """

    def __init__(self, cfg: Config) -> None:
        init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
        loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
        loader = loader or cfg.get('train_dataloader')
        dataset: Any = loader.dataset if loader else None
        while dataset is not None and 'dataset' in dataset:
            dataset = dataset.dataset
        if dataset is None or not dataset.get('pipeline'):
            raise ValueError('the config has no dataloader with a pipeline to prepare clips with')
        self.num_frames: int = dataset.num_frames
        self.frame_interval: int = dataset.get('frame_interval', 1)
        self.clip_stride: int = dataset.get('clip_stride', 1)
        clips = dataset.get('clips', 'all')
        self.clips: Any = 1 if clips == 'random' else clips
        self.scale = 1.0
        self.num_segments: int | None = None
        self.channels: tuple[str, ...] = ()
        self.steps: list[Any] = []
        is_scene = False
        for built in build_transforms(dataset.pipeline):
            is_scene |= isinstance(built, CropHalfScene)
            if isinstance(built, SplitSegments):
                self.num_segments = built.num_segments
            if isinstance(built, _LEFT_OUT) or getattr(built, 'is_augmentation', False):
                continue
            if isinstance(built, LoadPointVideoFrames):
                self.channels = built.channels
            if isinstance(built, SamplePoints):
                built.empty_frame = 'nearest'
            if isinstance(built, PackPointVideoInputs):
                built.seg_label = None
            if isinstance(built, ScaleCoordinates):
                self.scale *= built.factor
            self.steps.append(built)
        self.is_scene = is_scene
        self.halves: bool = is_scene and bool(dataset.get('halves', True))

    @property
    def span(self) -> int:
        """Frames of the video from a clip's first to its last one."""
        return clip_span(self.num_frames, self.frame_interval)

    def starts(self, total_frames: int, clips: int | str | None = None) -> list[int]:
        """First frames of a video's clips.

        Raises:
            TypeError, ValueError: If ``clips`` is neither ``'all'`` nor a number of at least 1.
        """
        wanted: Any = self.clips if clips is None else clips
        if wanted == 'random':
            raise ValueError(f"clips: expected 'all' or a number, got {wanted!r}")
        check_clip_options(
            self.num_frames, self.frame_interval, self.clip_stride, wanted, short_videos='pad'
        )
        return clip_starts(
            total_frames, self.num_frames, self.frame_interval, self.clip_stride, wanted
        ).tolist()

    def pack(
        self,
        video: Video,
        frame_inds: np.ndarray,
        start: int,
        half: int | None = None,
        center: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """One clip, packed for the model.

        Args:
            video: The video.
            frame_inds: ``(T,)``.
            start: What the draws of points depend on.
            half: Of a scene.
            center: Of a scene, ``(3,)``.
        """
        results: dict[str, Any] = dict(
            frame_inds=np.asarray(frame_inds),
            video_id=video.name,
            draw_key=video.draw_key,
            video_index=0,
            clip_start=start,
            num_frames=len(frame_inds),
            frame_interval=self.frame_interval,
            total_frames=video.num_frames,
            test_mode=True,
            half=half,
            center=center,
            frame_id=int(frame_inds[-1]),
        )
        for step in self.steps:
            if isinstance(step, LoadPointVideoFrames):
                results['frames'] = video.read(frame_inds, self.channels)
                results['feature_channels'] = self.channels
            else:
                results = step(results)
        return results
