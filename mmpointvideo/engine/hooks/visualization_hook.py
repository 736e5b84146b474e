"""Pictures of what a model does, while it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpointvideo.registry import HOOKS
from mmpointvideo.utils.dist import unwrap_model


@HOOKS.register_module()
class VisualizationHook(Hook):
    """Hand pictures to the run's visualizer backends: predictions, or maps of prototypes.

    In validation and testing: clips with their labels and predictions. In pre-training with
    prototypes: videos whose points are coloured by their prototype (Figure 4 of PointCPSC).

    Args:
        interval: Every how many epochs.
        num_clips: Clips in a picture, those that come first.
        num_frames: Frames of a video in a map of prototypes.
        view: From where clips are seen, see ``visualization.render.project``. By default a scene
            is seen from above.
    """

    priority = 'LOW'

    def __init__(
        self,
        interval: int = 1,
        num_clips: int = 4,
        num_frames: int = 6,
        view: str | tuple[float, float] | None = None,
    ) -> None:
        for name, value in (('interval', interval), ('num_clips', num_clips)):
            if value < 1:
                raise ValueError(f'VisualizationHook expects {name} >= 1, got {value}')
        self.interval = interval
        self.num_clips = num_clips
        self.num_frames = num_frames
        self.view = view
        self._seen: list[tuple[Any, Any]] = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Forget the clips of the last validation."""
        self._seen = []

    def before_test_epoch(self, runner: Runner) -> None:
        """Forget the clips of the last test."""
        self._seen = []

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep the first clips."""
        self._collect(data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep the first clips."""
        self._collect(data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw them, every ``interval`` epochs."""
        if runner.epoch % self.interval == 0:
            self._draw_predictions(runner, 'val', runner.epoch)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw them."""
        self._draw_predictions(runner, 'test', 0)

    def after_train_epoch(self, runner: Runner) -> None:
        """Draw maps of prototypes, every ``interval`` epochs, where the model has prototypes."""
        model = unwrap_model(runner.model)
        if getattr(model, 'cluster_head', None) is None or not self.every_n_epochs(
            runner, self.interval
        ):
            return
        self._draw_prototypes(runner, model)

    def _collect(self, data_batch: Any, outputs: Any) -> None:
        missing = self.num_clips - len(self._seen)
        if missing > 0 and data_batch is not None:
            pairs = zip(list(data_batch['inputs'])[:missing], outputs, strict=False)
            self._seen += list(pairs)

    @master_only
    def _draw_predictions(self, runner: Runner, phase: str, step: int) -> None:
        if not self._seen:
            return
        clips, colors = [], []
        painter = self._painter(runner)
        for points, sample in self._seen:
            clip = painter.make_clip(points, sample)
            found = [name for name in ('label', 'prediction') if name in clip.layers]
            clips += [clip] * max(1, len(found))
            colors += found or ['height']
        scene = any(color != 'height' for color in colors)
        painter.view = self.view or ('scene' if scene else painter.view)
        runner.visualizer.add_image(f'{phase}_predictions', painter.draw(clips, colors), step)
        self._seen = []

    @master_only
    def _draw_prototypes(self, runner: Runner, model: Any) -> None:
        from mmpointvideo.apis.clip_pipeline import ClipPipeline
        from mmpointvideo.apis.superpoints import point_prototypes
        from mmpointvideo.visualization import Layer, clip_from_store

        dataset: Any = runner.train_dataloader.dataset
        pipeline = ClipPipeline(runner.cfg)
        names = [f'prototype {i}' for i in range(len(model.cluster_head.target_prototypes))]
        rng = np.random.default_rng(0)
        clips, was_training = [], model.training
        model.eval()
        picks = np.linspace(0, len(dataset) - 1, min(self.num_clips, len(dataset)))
        for pick in picks.round().astype(int).tolist():
            info = dataset.get_data_info(pick)
            count = min(self.num_frames, info['total_frames'])
            frames = np.linspace(0, info['total_frames'] - 1, count).round().astype(int).tolist()
            clip = clip_from_store(info['video_path'], frames, max_points=None)
            labels = point_prototypes(model, info['video_path'], frames, pipeline)
            clip.layers['prototype'] = Layer(labels, names)
            clips.append(clip.thin(2048, rng))
        model.train(was_training)
        painter = self._painter(runner)
        painter.view = self.view or ('scene' if pipeline.is_scene else painter.view)
        image = painter.draw(clips, 'prototype')
        runner.visualizer.add_image('train_prototypes', image, runner.epoch + 1)

    def _painter(self, runner: Runner) -> Any:
        """Something that draws clips: the run's visualizer draws images only by default."""
        from mmpointvideo.visualization import PointVideoVisualizer

        painter = PointVideoVisualizer(num_frames=self.num_frames)
        painter.dataset_meta = runner.visualizer.dataset_meta or {}
        return painter
