"""Clips as one HTML file that opens without a network.

Plotly draws it. Its browser library comes from the installed package ``plotly`` and lies,
compressed, in the file; positions are rounded to 16 bits.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmpointvideo.utils.atomic import atomic_write

from .clip import MAX_CLASSES, Layer, PointClip
from .colors import IGNORED_COLOR, scalar_colors
from .export import require
from .render import VIEWS, View

_TEMPLATE = Path(__file__).with_name('page.html')


def write_html(
    path: str | os.PathLike,
    clips: Sequence[PointClip],
    color: str | Sequence[str] = 'height',
    title: str = '',
    fps: float = 10,
    view: View = 'front',
    max_points: int = 2048,
    point_size: float = 2.0,
    seed: int = 0,
) -> Path:
    """Write a page: clips side by side, with a time slider and linked cameras.

    Every layer of a clip can be chosen on the page. Two clips of 24 x 2048 points make a file of
    about 3 MB, 2 MB of which are Plotly.

    Args:
        path: The ``.html`` file.
        clips: One or a few clips; a shorter one stays at its last frame.
        color: Layer shown first, one for all or one a clip.
        title: Of the page.
        fps: Frames a second.
        view: From where it is seen first, see ``render.project``.
        max_points: Keep no more points than this of a frame, at random.
        point_size: In pixels.
        seed: Of the draw.

    Raises:
        ImportError: If plotly is not installed.
        ValueError: If there is no clip, a layer is unknown or has more than 255 classes.
    """
    if not clips:
        raise ValueError('expected at least one clip to draw, got none')
    colors = [color] * len(clips) if isinstance(color, str) else list(color)
    if len(colors) != len(clips):
        raise ValueError(f'color: expected one layer for {len(clips)} clips, got {colors}')
    library = require('plotly.offline', 'HTML pages').get_plotlyjs()
    blob = bytearray()
    entries = []
    for clip, name in zip(clips, colors, strict=True):
        clip.layer(name)
        entry = _encode_clip(clip.thin(max_points, np.random.default_rng(seed)), blob)
        entry.update(color=name, point=point_size * clip.size)
        entries.append(entry)
    meta = dict(
        clips=entries,
        length=max(len(clip) for clip in clips),
        fps=fps,
        ignored=list(IGNORED_COLOR),
        eye=_eye(view),
    )
    parts = {
        'TITLE': html.escape(title or 'Point cloud video'),
        # no < in the text, so that nothing ends the script element
        'META': json.dumps(meta, allow_nan=False).replace('<', '\\u003c'),
        'DATA': _pack(bytes(blob)),
        'LIBRARY': _pack(library.encode()),
    }
    template = _TEMPLATE.read_text(encoding='utf-8')
    page = re.sub('@([A-Z]+)@', lambda match: parts[match[1]], template)
    with atomic_write(path, 'w') as file:
        file.write(page)
    return Path(path)


def _pack(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode('ascii')


def _eye(view: View) -> dict[str, float]:
    """Where Plotly's camera stands, two units from the middle."""
    if isinstance(view, str) and view not in VIEWS:
        raise ValueError(f'view: expected one of {list(VIEWS)} or (azimuth, elevation): {view!r}')
    azimuth, elevation = np.radians(VIEWS[view] if isinstance(view, str) else view)
    flat = 2.0 * np.cos(elevation)
    # straight from above the camera's up vector would be along its axis
    return dict(
        x=float(flat * np.sin(azimuth)),
        y=float(-flat * np.cos(azimuth) - 1e-3),
        z=float(2.0 * np.sin(elevation)),
    )


def _encode_clip(clip: PointClip, blob: bytearray) -> dict[str, Any]:
    """Append the clip's arrays to ``blob`` and describe them."""
    counts = [len(frame) for frame in clip.frames]
    points = np.concatenate(clip.upright()).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    step = max(float((high - low).max()), 1e-9) / 65535
    if len(blob) % 2:
        blob.append(0)
    entry: dict[str, Any] = dict(
        title=clip.title,
        frames=[str(name) for name in clip.frame_names or []],
        offsets=[0, *np.cumsum(counts).tolist()],
        low=low.tolist(),
        size=(high - low).tolist(),
        step=step,
        position=len(blob),
        layers={},
    )
    blob += ((points - low) / step).round().astype('<u2').tobytes()
    for name, layer in clip.layers.items():
        described, codes = _encode_layer(name, layer)
        described['position'] = len(blob)
        blob += codes.tobytes()
        entry['layers'][name] = described
    return entry


def _encode_layer(name: str, layer: Layer) -> tuple[dict[str, Any], np.ndarray]:
    """What the page needs to know of a layer, and its codes ``(n,)`` uint8."""
    values = np.concatenate(layer.values)
    if layer.names is None:
        assert layer.limits is not None
        low, high = layer.limits
        codes = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * 255
        table = scalar_colors(np.linspace(low, high, 17), layer.limits, layer.colormap)
        return dict(limits=[low, high], colors=table.tolist()), codes.round().astype(np.uint8)
    if len(layer.names) > MAX_CLASSES:
        raise ValueError(f'layer {name!r}: expected at most {MAX_CLASSES} classes')
    ignored = np.zeros(len(values), bool)
    if layer.ignore_index is not None:
        ignored = values == layer.ignore_index
    described = dict(
        names=list(layer.names),
        colors=np.asarray(layer.colors).tolist(),
        used=layer.used(),
        ignored=bool(ignored.any()),
    )
    return described, np.where(ignored, 255, values).astype(np.uint8)
