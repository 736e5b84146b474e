"""MMEngine's visualizer for point cloud videos."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from mmpointvideo.registry import VISUALIZERS
from mmpointvideo.structures import PointVideoDataSample

from .clip import Layer, PointClip, class_layer
from .export import POINT_FORMATS, earlier_points, write_gif, write_mp4, write_png, write_points
from .html import write_html
from .render import View, draw_frames, draw_sheet

SUFFIXES = ('.png', '.gif', '.mp4', '.html', *(f'.{name}' for name in POINT_FORMATS))


def write_clips(
    path: str | os.PathLike,
    clips: Sequence[PointClip],
    color: str | Sequence[str] = 'height',
    title: str = '',
    view: View = 'front',
    num_frames: int = 6,
    fps: float = 10,
) -> list[Path]:
    """Write clips in the format that the file's name asks for.

    Args:
        path: ``.png``: contact sheet; ``.gif``, ``.mp4``: the clips move side by side; ``.html``:
            a page to turn them with the mouse; ``.ply``, ``.pcd``: a folder of that name, without
            the suffix, with one point cloud a frame (and one folder a clip where there are more);
            what an earlier call left there is removed.
        clips: The clips.
        color: Layer by which all are coloured, or one a clip.
        title: Of the picture.
        view: See ``render.project``.
        num_frames: Columns of a contact sheet.
        fps: Frames a second.

    Returns:
        The files.

    Raises:
        ImportError: If the format needs a package that is not installed.
        ValueError: If the suffix is unknown, there is no clip, or a layer is missing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f'{path}: expected a file name ending in one of {SUFFIXES}')
    if not clips:
        raise ValueError('expected at least one clip to draw, got none')
    if suffix == '.png':
        return [write_png(path, draw_sheet(clips, color, num_frames, view, title))]
    if suffix == '.html':
        return [write_html(path, clips, color, title, fps, view)]
    if suffix in ('.gif', '.mp4'):
        write, dpi = (write_gif, 70) if suffix == '.gif' else (write_mp4, 100)
        return [write(path, draw_frames(clips, color, view, title, dpi=dpi), fps)]
    colors = [color] * len(clips) if isinstance(color, str) else list(color)
    folder, files = path.with_suffix(''), []
    targets = [folder] if len(clips) == 1 else [folder / f'{i:02d}' for i in range(len(clips))]
    others = {folder, *folder.glob('[0-9][0-9]*/')} - set(targets)
    before = [file for other in others for file in earlier_points(other)]
    for target, clip, name in zip(targets, clips, colors, strict=True):
        files += write_points(target, clip, name, suffix[1:])
    for file in before:
        file.unlink()
    return files


@VISUALIZERS.register_module()
class PointVideoVisualizer(Visualizer):
    """Draws clips with their labels and predictions; hands pictures to the visualizer backends.

    A contact sheet goes to every backend that takes images (local files, TensorBoard); whole
    clips are written by :meth:`write`.

    Args:
        name: Name of the instance.
        vis_backends: Configs of MMEngine's visualizer backends.
        save_dir: Folder of those that write files.
        view: From where clips are seen, see ``render.project``.
        up: Which direction is up, see ``PointClip``.
        num_frames: Columns of a contact sheet.
        max_points: Draw no more points than this of a frame.

    Examples:
        >>> import numpy as np
        >>> visualizer = PointVideoVisualizer()
        >>> visualizer.dataset_meta = dict(classes=['floor', 'ball'])
        >>> sample = PointVideoDataSample(pred_pts_seg=np.ones((2, 50), int))
        >>> clip = visualizer.make_clip(np.random.rand(2, 50, 3), sample)
        >>> list(clip.layers)
        ['height', 'prediction']
        >>> visualizer.draw(clip, 'prediction').dtype
        dtype('uint8')
    """

    def __init__(
        self,
        name: str = 'visualizer',
        vis_backends: list[dict] | None = None,
        save_dir: str | None = None,
        view: View = 'front',
        up: str = '-y',
        num_frames: int = 6,
        max_points: int = 2048,
    ) -> None:
        super().__init__(name, vis_backends=vis_backends, save_dir=save_dir)
        self.view = view
        self.up = up
        self.num_frames = num_frames
        self.max_points = max_points

    def make_clip(
        self,
        points: Any,
        data_sample: PointVideoDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        meta: Mapping | None = None,
    ) -> PointClip:
        """A clip of what the model got and gave.

        Args:
            points: ``(T, N, 3 + C)`` or ``(L, T/L, N, 3 + C)``, array or tensor.
            data_sample: Its labels (layer ``label``) and predictions (layer ``prediction``); the
                class of the clip goes into the title.
            draw_gt: Use the labels.
            draw_pred: Use the predictions.
            meta: About the data set (``classes``, ``palette``); ``dataset_meta`` by default.

        Raises:
            ValueError: If shapes do not fit, a label has no class name, or values are not finite.
        """
        array = _numpy(points)
        if array.ndim == 4:
            array = array.reshape(-1, *array.shape[2:])
        if array.ndim != 3 or array.shape[-1] < 3:
            raise ValueError(f'points: expected (T, N, 3 + C), got {array.shape}')
        meta = dict(meta if meta is not None else (self.dataset_meta or {}))
        layers: dict[str, Layer] = {}
        names = [f'frame {t}' for t in range(len(array))]
        title = ''
        if data_sample is not None:
            fields = [('label', 'gt_pts_seg', draw_gt), ('prediction', 'pred_pts_seg', draw_pred)]
            for layer, key, wanted in fields:
                if wanted and key in data_sample:
                    layers[layer] = _seg_layer(_numpy(data_sample.get(key)), array.shape[:2], meta)
            inds = data_sample.get('frame_inds')
            if inds is not None and len(inds) == len(array):
                names = [f'frame {int(i)}' for i in np.asarray(inds)]
            title = _title(data_sample, meta, draw_gt, draw_pred)
        keep = np.arange(array.shape[1])
        if len(keep) > self.max_points:
            keep = np.sort(np.random.default_rng(0).permutation(len(keep))[: self.max_points])
            for entry in layers.values():
                entry.values = [value[keep] for value in entry.values]
        frames = [frame[keep, :3] for frame in array]
        return PointClip(frames, layers, title, names, self.up)

    def draw(
        self, clips: PointClip | Sequence[PointClip], color: str | Sequence[str] = 'height'
    ) -> np.ndarray:
        """A contact sheet ``(H, W, 3)`` uint8, a row a clip."""
        clips = [clips] if isinstance(clips, PointClip) else list(clips)
        return draw_sheet(clips, color, self.num_frames, self.view)

    def write(
        self,
        path: str | os.PathLike,
        clips: PointClip | Sequence[PointClip],
        color: str | Sequence[str] = 'height',
        title: str = '',
        fps: float = 10,
    ) -> list[Path]:
        """Write clips to a file; its suffix says how (see :func:`write_clips`)."""
        clips = [clips] if isinstance(clips, PointClip) else list(clips)
        return write_clips(path, clips, color, title, self.view, self.num_frames, fps)

    @master_only
    def add_clips(
        self,
        name: str,
        clips: PointClip | Sequence[PointClip],
        color: str | Sequence[str] = 'height',
        step: int = 0,
    ) -> None:
        """Record the contact sheet of some clips.

        Args:
            name: Under which the backends keep it.
            clips: The clips.
            color: Layer by which all are coloured, or one a clip.
            step: Which moment of the training it shows.
        """
        # a slash would be a folder that the local backend does not make
        self.add_image(re.sub(r'[^\w.-]+', '_', name), self.draw(clips, color), step)

    @master_only
    def add_datasample(
        self,
        name: str,
        image: Any,
        data_sample: PointVideoDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        step: int = 0,
        out_file: str | os.PathLike | None = None,
    ) -> None:
        """Draw a clip with its labels and predictions and record the picture.

        Args:
            name: Under which the backends keep it.
            image: The clip's points ``(T, N, 3 + C)`` (the argument has MMEngine's name).
            data_sample: Its labels and predictions.
            draw_gt: A row with the labels.
            draw_pred: A row with the predictions.
            show: Show it in a window, too.
            wait_time: Seconds the window stays; 0: until it is closed.
            step: Which moment of the training it shows.
            out_file: Write it to this ``.png`` instead of handing it to the backends.
        """
        clip = self.make_clip(image, data_sample, draw_gt, draw_pred)
        names: list[str] = ['label', 'prediction']
        colors = [name for name in names if name in clip.layers] or ['height']
        drawn = self.draw([clip] * len(colors), colors)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_png(out_file, drawn)
        else:
            self.add_image(re.sub(r'[^\w.-]+', '_', name), drawn, step)


def _numpy(values: Any) -> np.ndarray:
    if hasattr(values, 'detach'):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def _seg_layer(values: np.ndarray, shape: tuple[int, ...], meta: Mapping) -> Layer:
    values = values.reshape(-1, values.shape[-1])
    if values.shape != shape:
        raise ValueError(f'labels of points: expected shape {shape}, got {values.shape}')
    if not meta.get('classes'):
        classes = [str(i) for i in range(int(values[values != 255].max(initial=0)) + 1)]
        meta = {**meta, 'classes': classes, 'palette': None}
    return class_layer(list(values), meta)


def _title(sample: PointVideoDataSample, meta: Mapping, draw_gt: bool, draw_pred: bool) -> str:
    classes = list(meta.get('classes') or [])
    lines = [str(sample.get('video_id', ''))]
    for what, key, wanted in (('is', 'gt_label', draw_gt), ('predicted', 'pred_label', draw_pred)):
        if not wanted or key not in sample:
            continue
        label = int(sample.get(key))
        if classes and not 0 <= label < len(classes):
            raise ValueError(
                f'{key} {label} of {lines[0]!r} is none of the {len(classes)} classes of the data '
                'set'
            )
        name = classes[label] if classes else str(label)
        score = sample.get('pred_score')
        share = f' ({float(score[label]):.0%})' if what == 'predicted' and score is not None else ''
        lines.append(f'{what}: {name}{share}')
    return '\n'.join(line for line in lines if line)
