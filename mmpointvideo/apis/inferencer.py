"""From videos to predictions and pictures in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from mmpointvideo.models.recognizers import PointVideoRecognizer
from mmpointvideo.models.segmentors import PointVideoSegmentor
from mmpointvideo.registry import INFERENCERS

from .clip_pipeline import ClipPipeline
from .inference import class_names, inference_recognizer, inference_segmentor
from .init_model import init_model
from .model_list import find_config
from .videos import Video, open_video


@INFERENCERS.register_module()
class PointVideoInferencer:
    """Preprocess, predict, draw: what a recognizer or segmentor says about videos.

    Args:
        model: Name of a model (see ``list_models``), path of a config, a config, or a model from
            ``init_model``.
        weights: Checkpoint of this very model. None: as initialised, for tests.
        device: Where it runs; by default the first GPU, or the CPU.
        batch_size: Clips at a time.

    Raises:
        FileNotFoundError: If there is no such model or checkpoint.
        TypeError: If a model that is already built neither recognizes nor segments.
        ValueError: If the config is one of such a model, or the checkpoint one of another model.
    """

    def __init__(
        self,
        model: str | os.PathLike | Config | nn.Module,
        weights: str | os.PathLike | None = None,
        device: str | torch.device | None = None,
        batch_size: int = 8,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f'batch_size: expected at least 1, got {batch_size}')
        if isinstance(model, nn.Module):
            if weights is not None:
                raise ValueError('weights: expected None beside a model that is already built')
            self.model: Any = model
        else:
            config = model if isinstance(model, Config) else find_config(model)
            self.model = init_model(config, weights, device)
        if not isinstance(self.model, PointVideoRecognizer | PointVideoSegmentor):
            kind = TypeError if self.model is model else ValueError
            raise kind(
                'PointVideoInferencer expects a PointVideoRecognizer or PointVideoSegmentor, got '
                f'{type(self.model).__name__}: a model of pre-training predicts no classes; train '
                'a linear probe, or see demo/prototypes.py'
            )
        self.batch_size = batch_size
        self.pipeline = ClipPipeline(self.model.cfg)

    def __call__(
        self,
        inputs: Any,
        clips: int | str | None = None,
        return_features: bool = False,
        out_dir: str | os.PathLike | None = None,
        picture: str = '.png',
        columns: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Predict.

        Args:
            inputs: A video or a list of videos. A video is the path of a frame store, of a folder
                of PLY, PCD, NPY or BIN files or of a raw MSR ``.bin``; an array or tensor
                ``(T, N, 3 + C)``; or a list of arrays ``(n, 3 + C)``, its frames. Of any length.
                Coordinates are in the unit of the model's data set as it is stored.
            clips: Of a recognizer: how many clips of a video, or ``'all'``; by default as the
                config tests.
            return_features: Also return the encoder's features.
            out_dir: Write a picture of every video there; names that occur twice are numbered.
            picture: Its suffix, see ``visualization.write_clips``.
            columns: Names of the columns of ``.npy`` and KITTI's ``.bin`` files.

        Returns:
            A dictionary for every video, see ``inference_recognizer`` and
            ``inference_segmentor``; with ``pictures``, the files, where ``out_dir`` is given.

        Raises:
            FileNotFoundError, TypeError, ValueError: If a video cannot be used.
        """
        results, names = [], set[str]()
        for video in self.preprocess(inputs, columns):
            result = self.forward(video, clips)
            if out_dir is not None:
                name = _new_name(video.name, names)
                result['pictures'] = self.visualize(video, result, out_dir, picture, name=name)
            if not return_features:
                result.pop('features')
            results.append(result)
        return results

    def preprocess(self, inputs: Any, columns: Sequence[str] | None = None) -> list[Video]:
        """Open all videos."""
        videos = inputs if _is_several(inputs) else [inputs]
        return [
            open_video(v, None if isinstance(v, str | os.PathLike) else f'video_{i}', columns)
            for i, v in enumerate(videos)
        ]

    def forward(self, video: Video, clips: int | str | None = None) -> dict[str, Any]:
        """Predict one video."""
        if isinstance(self.model, PointVideoSegmentor):
            return inference_segmentor(self.model, video, self.batch_size, pipeline=self.pipeline)
        return inference_recognizer(self.model, video, self.batch_size, clips, self.pipeline)

    def visualize(
        self,
        video: Video,
        result: dict[str, Any],
        out_dir: str | os.PathLike,
        picture: str = '.png',
        max_points: int = 2048,
        name: str | None = None,
    ) -> list[Path]:
        """Write a picture of a video with its prediction, under the video's name by default."""
        from mmpointvideo.visualization import PointClip, class_layer, write_clips

        inds = result.get('frames', list(range(video.num_frames)))
        rng = np.random.default_rng(0)
        frames, labels = [], []
        for position, frame in enumerate(inds):
            xyz = video.read([frame], ()).xyz
            keep = np.sort(rng.permutation(len(xyz))[:max_points])
            frames.append(xyz[keep])
            if 'point_labels' in result:
                labels.append(result['point_labels'][position][keep])
        layers, title = {}, result['video_id']
        if labels:
            names = class_names(self.model) or [str(i) for i in range(256)]
            layers['prediction'] = class_layer(
                labels, {**self.model.dataset_meta, 'classes': names}
            )
        else:
            title += f'\n{result["name"] or result["label"]} ({result["score"]:.0%})'
        clip = PointClip(frames, layers, title, [f'frame {i}' for i in inds])
        view = 'scene' if labels else 'front'
        color = 'prediction' if labels else 'height'
        path = Path(out_dir, f'{name or result["video_id"]}{picture}')
        return write_clips(path, [clip], color, view=view)


def _new_name(name: str, names: set[str]) -> str:
    """The name, numbered if it is taken; it is taken then."""
    number, new = 1, name
    while new in names:
        number += 1
        new = f'{name}_{number}'
    names.add(new)
    return new


def _is_several(inputs: Any) -> bool:
    """A list of videos, not a video that is a list of frames."""
    if not isinstance(inputs, list | tuple) or not inputs:
        return False
    return not all(getattr(item, 'ndim', None) == 2 for item in inputs)
