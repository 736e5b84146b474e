"""A clip to be looked at: points of every frame and what they are coloured by."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mmpointvideo.datasets.storage import PointVideoStore

from .colors import (
    IGNORED_COLOR,
    PART_COLORS,
    categorical_palette,
    check_palette,
    scalar_colors,
)

UPS = ('-y', 'y', 'z')
#: most classes of a layer that pages and pictures can tell apart
MAX_CLASSES = 255


@dataclass
class Layer:
    """Something that points can be coloured by: a class or a number of every point.

    Attributes:
        values: Per frame ``(n_t,)``: integers where ``names`` are given, numbers otherwise.
        names: Names of the classes; None: the values are numbers.
        colors: ``(classes, 3)`` integers in 0..255; chosen by default.
        limits: Numbers at the ends of the colour map; smallest and largest by default.
        colormap: Matplotlib's name of the colour map for numbers.
        ignore_index: A class value that means none; such points are grey.
    """

    values: list[np.ndarray]
    names: Sequence[str] | None = None
    colors: Sequence[Sequence[int]] | None = None
    limits: tuple[float, float] | None = None
    colormap: str = 'viridis'
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        self.values = [np.asarray(value) for value in self.values]
        if self.names is not None:
            self.names = tuple(str(name) for name in self.names)
            colors = self.colors
            if colors is None:
                colors = categorical_palette(len(self.names))
            self.colors = check_palette(colors, len(self.names))  # type: ignore[assignment]
        elif self.limits is None:
            every = np.concatenate([np.zeros(0), *(value.ravel() for value in self.values)])
            self.limits = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)

    def check(self, name: str, counts: Sequence[int]) -> None:
        """Compare with the clip's frames.

        Raises:
            ValueError: If there is not one valid value a point.
        """
        found = [value.shape for value in self.values]
        if found != [(count,) for count in counts]:
            raise ValueError(
                f'layer {name!r}: expected one value for each of {list(counts)[:4]}... points, '
                f'got shapes {found[:4]}...'
            )
        for t, value in enumerate(self.values):
            if self.names is None:
                if not np.isfinite(value).all():
                    raise ValueError(f'layer {name!r}: NaN or infinite values in frame {t}')
                continue
            if value.dtype.kind not in 'iu':
                raise TypeError(f'layer {name!r}: expected integers, got {value.dtype}')
            bad = (value < 0) | (value >= len(self.names))
            if self.ignore_index is not None:
                bad &= value != self.ignore_index
            if bad.any():
                raise ValueError(
                    f'layer {name!r}: label {int(value[bad][0])} in frame {t} is outside the '
                    f'palette of {len(self.names)} classes (0..{len(self.names) - 1}): give '
                    'names and colours of all classes, or an ignore_index'
                )

    def rgb(self, frame: int) -> np.ndarray:
        """Colours ``(n, 3)`` uint8 of a frame's points."""
        value = self.values[frame]
        if self.names is None:
            assert self.limits is not None
            return scalar_colors(value, self.limits, self.colormap)
        table = np.vstack([np.asarray(self.colors, np.uint8), np.array([IGNORED_COLOR], np.uint8)])
        index = value.astype(np.int64)
        if self.ignore_index is not None:
            index = np.where(index == self.ignore_index, len(self.names), index)
        return table[index]

    def used(self) -> list[int]:
        """Classes that occur, ascending, without the ignored one."""
        found = np.unique(np.concatenate([np.unique(value) for value in self.values]))
        return [int(v) for v in found if v != self.ignore_index]


@dataclass
class PointClip:
    """Points of every frame, and layers to colour them by.

    The layer ``height`` is always there.

    Attributes:
        frames: Per frame ``(n_t, 3)`` coordinates.
        layers: Further layers, by name.
        title: Over the pictures.
        frame_names: Over each frame; their numbers by default.
        up: Which direction is up in the world: ``'-y'`` for camera coordinates, where y points
            down as image rows do; ``'y'`` or ``'z'``.
        size: Size of a point relative to others.

    Raises:
        ValueError: If there is no point, a coordinate is not finite, or a layer does not fit.
    """

    frames: list[np.ndarray]
    layers: dict[str, Layer] = field(default_factory=dict)
    title: str = ''
    frame_names: Sequence[str] | None = None
    up: str = '-y'
    size: float = 1.0

    def __post_init__(self) -> None:
        if self.up not in UPS:
            raise ValueError(f'up: expected one of {UPS}, got {self.up!r}')
        self.frames = [np.asarray(frame, np.float32) for frame in self.frames]
        what = f'clip {self.title!r}' if self.title else 'the clip'
        for t, frame in enumerate(self.frames):
            if frame.ndim != 2 or frame.shape[1] != 3:
                raise ValueError(f'{what}: expected (n, 3) points in frame {t}, got {frame.shape}')
            if not np.isfinite(frame).all():
                raise ValueError(f'{what}: NaN or infinite coordinates in frame {t}')
        if not sum(map(len, self.frames)):
            raise ValueError(f'{what} is empty: expected points in at least one frame')
        if self.frame_names is None:
            self.frame_names = [f'frame {t}' for t in range(len(self.frames))]
        if len(self.frame_names) != len(self.frames):
            raise ValueError(
                f'{what}: expected {len(self.frames)} frame_names, got {len(self.frame_names)}'
            )
        if 'height' not in self.layers:
            heights = [frame[:, 2] for frame in self.upright()]
            self.layers = {'height': Layer(heights, colormap='cividis'), **self.layers}
        for name, layer in self.layers.items():
            layer.check(name, [len(frame) for frame in self.frames])

    def __len__(self) -> int:
        return len(self.frames)

    def upright(self) -> list[np.ndarray]:
        """The frames as (right, away from the viewer, up)."""
        if self.up == 'z':
            return self.frames
        sign = -1.0 if self.up == '-y' else 1.0
        # y up with z away would be left-handed: z comes towards the viewer then
        away = 1.0 if self.up == '-y' else -1.0
        turn = np.array([1.0, away, sign], np.float32)
        return [frame[:, [0, 2, 1]] * turn for frame in self.frames]

    def layer(self, name: str) -> Layer:
        """A layer by name.

        Raises:
            ValueError: If the clip has no such layer.
        """
        if name not in self.layers:
            raise ValueError(f'color: expected one of {list(self.layers)}, got {name!r}')
        return self.layers[name]

    def pick(self, frames: Sequence[int]) -> PointClip:
        """A clip of some of the frames; limits of the colours stay as they are."""
        names = self.frame_names or []
        return self._replaced(
            [self.frames[t] for t in frames],
            {name: [layer.values[t] for t in frames] for name, layer in self.layers.items()},
            [names[t] for t in frames],
        )

    def thin(self, max_points: int, rng: np.random.Generator) -> PointClip:
        """The same clip with at most ``max_points`` points a frame, drawn at random."""
        if max(len(frame) for frame in self.frames) <= max_points:
            return self
        keep = [np.sort(rng.permutation(len(frame))[:max_points]) for frame in self.frames]
        return self._replaced(
            [frame[k] for frame, k in zip(self.frames, keep, strict=True)],
            {
                name: [value[k] for value, k in zip(layer.values, keep, strict=True)]
                for name, layer in self.layers.items()
            },
            self.frame_names,
        )

    def _replaced(
        self,
        frames: list[np.ndarray],
        values: Mapping[str, list[np.ndarray]],
        frame_names: Sequence[str] | None,
    ) -> PointClip:
        layers = {n: replace(layer, values=values[n]) for n, layer in self.layers.items()}
        return replace(self, frames=frames, layers=layers, frame_names=frame_names)


def label_layers(
    channels: Mapping[str, list[np.ndarray]], meta: Mapping | None = None
) -> dict[str, Layer]:
    """Layers of the stored channels that are labels by their name, ``part`` and ``label``.

    Others, and those that are not one number a point, are left out.

    Args:
        channels: Per channel the values of every frame.
        meta: What the store and the data set say, see :func:`label_layer`.
    """
    shown = {name: values for name, values in channels.items() if name in ('part', 'label')}
    return {
        name: label_layer(name, values, meta)
        for name, values in shown.items()
        if all(value.ndim == 1 for value in values)
    }


def label_layer(
    name: str, values: list[np.ndarray], meta: Mapping | None = None, stored: bool = True
) -> Layer:
    """A layer of a channel of labels.

    Values have names where something says what they mean: ``part`` where :func:`part_names` knows
    them, ``label`` where the data set's classes are those of points (it has
    ``label_ids``, or its ``task`` is semantic segmentation). Otherwise they are numbered.

    Args:
        name: The channel.
        values: Per frame ``(n_t,)``.
        meta: What the store and the data set say: ``part_names``, ``conversion``; ``classes``,
            ``task``, ``label_ids``, ``palette``.
        stored: ``label`` holds stored ids, not classes.
    """
    meta = meta or {}
    names = part_names(meta) if name == 'part' else None
    if names is not None:
        return Layer(values, names, PART_COLORS if names == _simulated_parts() else None)
    if name == 'label' and has_point_classes(meta):
        return class_layer(values, meta, stored)
    return numbered_layer(values)


def part_names(meta: Mapping) -> tuple[str, ...] | None:
    """Names of the body parts in a store's channel ``part``; None where nothing says so.

    Args:
        meta: The store's.
    """
    if meta.get('part_names'):
        return tuple(meta['part_names'])
    # older stores of the simulation name no parts
    simulated = (meta.get('conversion') or {}).get('source') == 'skeleton'
    return _simulated_parts() if simulated else None


def _simulated_parts() -> tuple[str, ...]:
    from mmpointvideo.simulation.bodies import PART_NAMES

    return PART_NAMES


def has_point_classes(meta: Mapping) -> bool:
    """Whether a data set's classes are those of points, not of videos."""
    of_points = meta.get('label_ids') or meta.get('task') == 'semantic_segmentation'
    return bool(meta.get('classes') and of_points)


def numbered_layer(values: list[np.ndarray]) -> Layer:
    """A layer of values that nobody has named.

    Whole numbers are their own names, with the same colour in every clip; where they are more
    than 255, or not whole, they are numbers on a colour map.

    Args:
        values: Per frame ``(n_t,)``.
    """
    found = np.unique(np.concatenate([np.zeros(0), *(value.ravel() for value in values)]))
    whole = np.isfinite(found).all() and (found == np.round(found)).all()
    if not whole or not 1 <= len(found) <= MAX_CLASSES:
        return Layer(values)
    palette = categorical_palette(30)
    names = [str(int(number)) for number in found]
    colors = [palette[int(number) % len(palette)] for number in found]
    return Layer([np.searchsorted(found, value) for value in values], names, colors)


def class_layer(values: list[np.ndarray], meta: Mapping, stored: bool = False) -> Layer:
    """A layer of a data set's classes.

    Args:
        values: Per frame ``(n_t,)`` classes, 255 where a point has none.
        meta: ``classes``, and optionally ``palette`` and ``label_ids``.
        stored: The values are stored ids (``label_ids``, or else the classes' own numbers) and
            become classes; others become 255.
    """
    names = list(meta['classes'])
    if stored:
        ids = np.array(meta.get('label_ids') or range(len(names)))
        order = np.argsort(ids)
        nearest = [np.searchsorted(ids, value, sorter=order) for value in values]
        classes = [order[np.minimum(index, len(ids) - 1)] for index in nearest]
        values = [
            np.where(ids[index] == value, index, 255)
            for index, value in zip(classes, values, strict=True)
        ]
    colors = meta.get('palette')
    if colors is None and meta.get('dataset_type') == 'Synthia4DDataset':
        from mmpointvideo.datasets.synthia4d_facts import PALETTE

        colors = PALETTE
    return Layer(values, names, colors, ignore_index=255)


def clip_from_store(
    path: str | os.PathLike,
    frame_inds: Sequence[int] | None = None,
    max_points: int | None = 2048,
    meta: Mapping | None = None,
    title: str = '',
    seed: int = 0,
) -> PointClip:
    """A clip of a stored video, with its labels as layers.

    Args:
        path: A frame store.
        frame_inds: Which frames; all by default.
        max_points: Draw no more points than this from a frame, at random; None: all.
        meta: About the data set (``classes``, ...); the store's own is used as well.
        title: The store's name by default.
        seed: Of the draw.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or has no points.
    """
    store = PointVideoStore(path)
    inds = list(range(store.num_frames)) if frame_inds is None else [int(i) for i in frame_inds]
    batch = store.read(inds)
    rng = np.random.default_rng(seed)
    keep = []
    for t in range(len(batch)):
        start, end = int(batch.offsets[t]), int(batch.offsets[t + 1])
        chosen = np.arange(start, end)
        if max_points is not None and len(chosen) > max_points:
            chosen = np.sort(rng.choice(chosen, max_points, replace=False))
        keep.append(chosen)
    layers = label_layers(
        {name: [values[k] for k in keep] for name, values in batch.channels.items()},
        {**store.meta, **(meta or {})},
    )
    return PointClip(
        [batch.xyz[k] for k in keep],
        layers,
        title or os.path.basename(str(path)).removesuffix('.pvs'),
        [f'frame {i}' for i in inds],
    )
