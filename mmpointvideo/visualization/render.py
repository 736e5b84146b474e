"""Pictures of clips, drawn by Matplotlib: no window, no GPU, no driver needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .clip import Layer, PointClip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

View = str | tuple[float, float]

#: Azimuth and elevation of the viewer in degrees.
VIEWS: dict[str, tuple[float, float]] = {
    'front': (0.0, 0.0),
    'oblique': (30.0, 20.0),
    'scene': (30.0, 50.0),
    'top': (0.0, 90.0),
}
BACKGROUND = '#eceef2'


def project(points: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Parallel projection.

    Args:
        points: ``(n, 3)`` (right, away, up), see ``PointClip.upright``.
        view: A name in ``VIEWS``, or azimuth and elevation in degrees.

    Returns:
        ``(n, 2)`` right and up on the picture, and ``(n,)`` distance.

    Raises:
        ValueError: If the view is unknown.
    """
    if isinstance(view, str):
        if view not in VIEWS:
            raise ValueError(
                f'view: expected one of {list(VIEWS)} or (azimuth, elevation), got {view!r}'
            )
        view = VIEWS[view]
    azimuth, elevation = np.radians(np.asarray(view, np.float64))
    right, away, up = np.asarray(points, np.float64).reshape(-1, 3).T
    x = np.cos(azimuth) * right + np.sin(azimuth) * away
    away = np.cos(azimuth) * away - np.sin(azimuth) * right
    y = np.cos(elevation) * up + np.sin(elevation) * away
    return np.stack([x, y], axis=1), np.cos(elevation) * away - np.sin(elevation) * up


def draw_sheet(
    clips: Sequence[PointClip],
    color: str | Sequence[str] = 'height',
    num_frames: int = 6,
    view: View = 'front',
    title: str = '',
    panel: tuple[float, float] | None = None,
    dpi: int = 100,
    point_size: float = 3.0,
) -> np.ndarray:
    """A contact sheet: a row a clip, a column a frame.

    Args:
        clips: The clips.
        color: Layer by which all clips are coloured, or one a clip.
        num_frames: Columns; evenly spaced frames of every clip.
        view: See :func:`project`.
        title: Over the whole sheet.
        panel: Width and height of a panel in inches; by default as the clips need.
        dpi: Dots an inch.
        point_size: Area of a point, in Matplotlib's units.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        ValueError: If there is no clip, or a layer or view is unknown.
    """
    from matplotlib.figure import Figure

    colors = _colors(clips, color)
    columns = min(num_frames, max(len(clip) for clip in clips))
    panel = panel or _panel_size(clips, view, 2.4)
    wide = max(panel[0] * columns, 5.0)
    figure = Figure(figsize=(wide + 0.9, panel[1] * len(clips) + 0.8), layout='constrained')
    axes = figure.subplots(len(clips), columns, squeeze=False)
    for row, clip, name in zip(axes, clips, colors, strict=True):
        picks = np.linspace(0, len(clip) - 1, min(columns, len(clip))).round().astype(int)
        limits = _limits(clip.pick(list(picks)), view)
        for ax in row[len(picks) :]:
            ax.set_axis_off()
        for ax, t in zip(row, picks, strict=False):
            _empty_panel(ax, limits)
            _scatter(ax, clip, int(t), name, view, point_size)
            ax.set_title(str((clip.frame_names or [])[t]), fontsize=7)
        row[0].set_ylabel(clip.title, fontsize=8)
        layer = clip.layer(name)
        if layer.names is None:
            _colorbar(figure, layer, list(row), name)
    _legend(figure, [c.layer(n) for c, n in zip(clips, colors, strict=True)])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure_image(figure, dpi)


def draw_frames(
    clips: Sequence[PointClip],
    color: str | Sequence[str] = 'height',
    view: View = 'front',
    title: str = '',
    panel: tuple[float, float] | None = None,
    dpi: int = 100,
    point_size: float = 4.0,
) -> Iterator[np.ndarray]:
    """Pictures of one moment after the other, the clips side by side.

    Args:
        clips: The clips; a shorter one stays at its last frame.
        color: Layer by which all clips are coloured, or one a clip.
        view: See :func:`project`.
        title: Over the picture.
        panel: Width and height of a panel in inches; by default as the clips need.
        dpi: Dots an inch.
        point_size: Area of a point, in Matplotlib's units.

    Yields:
        ``(H, W, 3)`` uint8, H and W even, the same for all.

    Raises:
        ValueError: If there is no clip, or a layer or view is unknown.
    """
    from matplotlib.figure import Figure

    colors = _colors(clips, color)
    panel = panel or _panel_size(clips, view, 3.6)
    size = (max(panel[0] * len(clips), 4.4), panel[1] + 0.9)
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(1, len(clips), squeeze=False)[0]
    marks: list[Any] = []
    for ax, clip, name in zip(axes, clips, colors, strict=True):
        _empty_panel(ax, _limits(clip, view))
        marks.append(_scatter(ax, clip, 0, name, view, point_size))
        ax.set_title(f'{clip.title}\n{(clip.frame_names or [])[0]}', fontsize=8)
        layer = clip.layer(name)
        if layer.names is None:
            _colorbar(figure, layer, [ax], name)
    _legend(figure, [c.layer(n) for c, n in zip(clips, colors, strict=True)], columns=4)
    if title:
        figure.suptitle(title, fontsize=9)
    for moment in range(max(len(clip) for clip in clips)):
        for ax, mark, clip, name in zip(axes, marks, clips, colors, strict=True):
            t = min(moment, len(clip) - 1)
            position, order = _ordered(clip, t, view)
            mark.set_offsets(position[order])
            mark.set_facecolors(clip.layer(name).rgb(t)[order] / 255)
            ax.set_title(f'{clip.title}\n{(clip.frame_names or [])[t]}', fontsize=8)
        yield figure_image(figure, dpi)
        figure.set_layout_engine('none')  # what was laid out once stays where it is


def figure_image(figure: Figure, dpi: int) -> np.ndarray:
    """A figure as ``(H, W, 3)`` uint8, H and W even (video encoders want that)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    plain_texts(figure)
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3]
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height - height % 2, : width - width % 2])


def plain_texts(figure: Figure) -> None:
    """Draw the texts of a figure as they are: names of people's own may have a ``$`` in them.

    Call it before anything measures the texts, such as ``tight_layout``.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)


def _colors(clips: Sequence[PointClip], color: str | Sequence[str]) -> list[str]:
    """The layer of every clip, checked."""
    if not clips:
        raise ValueError('expected at least one clip to draw, got none')
    colors = [color] * len(clips) if isinstance(color, str) else list(color)
    if len(colors) != len(clips):
        raise ValueError(f'color: expected one layer for {len(clips)} clips, got {colors}')
    for clip, name in zip(clips, colors, strict=True):
        clip.layer(name)
    return colors


def _limits(clip: PointClip, view: View) -> tuple[np.ndarray, np.ndarray]:
    position, _ = project(np.concatenate(clip.upright()), view)
    low, high = position.min(axis=0), position.max(axis=0)
    margin = 0.05 * max(float((high - low).max()), 1e-6)
    return low - margin, high + margin


def _panel_size(clips: Sequence[PointClip], view: View, longest: float) -> tuple[float, float]:
    """Width and height in inches that leave little room around the clips."""
    extents = np.stack([high - low for low, high in (_limits(clip, view) for clip in clips)])
    width, height = longest * (extents / extents.max(axis=1, keepdims=True)).max(axis=0)
    return float(max(width, 0.55 * longest)), float(max(height, 0.4 * longest)) + 0.25


def _empty_panel(ax: Any, limits: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = limits
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
    ax.set_aspect('equal')
    ax.set_facecolor(BACKGROUND)  # white and grey points show on it
    for spine in ax.spines.values():
        spine.set_color('0.8')


def _ordered(clip: PointClip, t: int, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Positions on the picture, and the order in which the near points come last, in front."""
    position, distance = project(clip.upright()[t], view)
    return position, np.argsort(-distance)


def _scatter(ax: Any, clip: PointClip, t: int, color: str, view: View, size: float) -> Any:
    position, order = _ordered(clip, t, view)
    return ax.scatter(
        position[order, 0],
        position[order, 1],
        c=clip.layer(color).rgb(t)[order] / 255,
        s=size * clip.size,
        linewidths=0,
    )


def _colorbar(figure: Figure, layer: Layer, axes: list, label: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    assert layer.limits is not None
    mappable = ScalarMappable(Normalize(*layer.limits), layer.colormap)
    bar = figure.colorbar(mappable, ax=axes, shrink=0.8, aspect=30, pad=0.01)
    bar.set_label(label, fontsize=7)
    bar.ax.tick_params(labelsize=6)


def _legend(figure: Figure, layers: Sequence[Layer], columns: int = 8) -> None:
    """One legend of all classes that occur."""
    from matplotlib.patches import Patch

    entries: dict[tuple, int] = {}
    ignored = False
    for layer in layers:
        if layer.names is None or layer.colors is None:
            continue
        for index in layer.used():
            color = tuple(int(v) for v in layer.colors[index])
            entries.setdefault((layer.names[index], color), index)
        ignored |= layer.ignore_index is not None and any(
            bool((value == layer.ignore_index).any()) for value in layer.values
        )
    if ignored:
        from .colors import IGNORED_COLOR

        entries[('none', IGNORED_COLOR)] = 10**6  # last
    if not entries:
        return
    patches = [
        Patch(facecolor=tuple(v / 255 for v in color), edgecolor='0.5', linewidth=0.5, label=name)
        for name, color in sorted(entries, key=lambda entry: entries[entry])
    ]
    width = figure.get_size_inches()[0]
    longest = max(len(str(name)) for name, _ in entries)
    fitting = max(1, int(width / (0.35 + 0.075 * longest)))
    figure.legend(
        handles=patches,
        loc='outside lower center',
        ncols=min(columns, fitting, len(patches)),
        fontsize=7,
        frameon=False,
        handlelength=1.0,
        handleheight=1.0,
    )
