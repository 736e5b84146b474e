"""Colours that people with a colour vision deficiency can tell apart, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Paul Tol's "muted" scheme, in an order that keeps neighbours apart.
MUTED = (
    (51, 34, 136), (221, 204, 119), (204, 102, 119), (136, 204, 238), (17, 119, 51),
    (136, 34, 85), (68, 170, 153), (170, 68, 153), (153, 153, 51), (25, 25, 25),
)  # fmt: skip

#: One colour a body part, in the order of ``simulation.PART_NAMES``: a hue a limb, the lighter
#: the further from the trunk.
PART_COLORS = (
    (230, 230, 230), (240, 228, 66), (180, 180, 185), (110, 110, 110),
    (8, 60, 130), (50, 130, 200), (160, 205, 245),
    (130, 50, 0), (225, 105, 10), (255, 190, 110),
    (0, 75, 55), (0, 145, 110), (150, 235, 205),
    (95, 10, 75), (175, 60, 135), (235, 140, 200),
)  # fmt: skip

#: Points that have no class.
IGNORED_COLOR = (195, 195, 200)


def categorical_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """Colours for ``count`` classes.

    The first ten are safe for all common kinds of colour blindness. Further ones repeat them
    darker and lighter; beyond thirty they repeat.

    Args:
        count: Number of classes.

    Raises:
        ValueError: If there are none.
    """
    if count < 1:
        raise ValueError(f'count: expected at least 1 class, got {count}')
    colors = []
    for i in range(count):
        base = np.array(MUTED[i % len(MUTED)])
        shade = (i // len(MUTED)) % 3
        mixed = (base, base * 0.55, base + (255 - base) * 0.55)[shade]
        colors.append(tuple(int(v) for v in mixed.round()))
    return tuple(colors)  # type: ignore[arg-type]


def check_palette(colors: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """A palette as ``(count, 3)`` uint8.

    Args:
        colors: At least ``count`` colours, each three integers in 0..255.
        count: Number of classes.

    Raises:
        ValueError: If there are fewer, or they are no colours.
    """
    array = np.asarray(colors)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in 'iu':
        raise ValueError(f'palette: expected integers (classes, 3), got shape {array.shape}')
    if len(array) < count or array.min() < 0 or array.max() > 255:
        raise ValueError(
            f'palette: expected {count} colours of 0..255, got {len(array)} in '
            f'{array.min()}..{array.max()}'
        )
    return array[:count].astype(np.uint8)


def scalar_colors(values: np.ndarray, limits: tuple[float, float], colormap: str) -> np.ndarray:
    """Colours of numbers.

    Args:
        values: ``(n,)``.
        limits: Values at the two ends of the colour map.
        colormap: One of Matplotlib's.

    Returns:
        ``(n, 3)`` uint8.
    """
    import matplotlib

    low, high = limits
    scaled = (np.asarray(values, np.float64) - low) / max(high - low, 1e-12)
    table = matplotlib.colormaps[colormap](np.linspace(0, 1, 256))[:, :3]
    index = (np.clip(scaled, 0, 1) * 255).round().astype(int)
    return (table[index] * 255).round().astype(np.uint8)


def simulate_deficiency(colors: np.ndarray, kind: str) -> np.ndarray:
    """How somebody without one kind of cones sees colours.

    The matrices of Machado, Oliveira and Fernandes (IEEE TVCG 2009), severity 1, applied to
    linear RGB.

    Args:
        colors: ``(n, 3)`` uint8.
        kind: ``'protan'``, ``'deutan'`` or ``'tritan'``.

    Returns:
        ``(n, 3)`` float64 in 0..1, sRGB.

    Raises:
        ValueError: If the kind is unknown.
    """
    matrices = {
        'protan': ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
        'deutan': ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                   (-0.011820, 0.042940, 0.968881)),
        'tritan': ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                   (0.004733, 0.691367, 0.303900)),
    }  # fmt: skip
    if kind not in matrices:
        raise ValueError(f'kind: expected one of {sorted(matrices)}, got {kind!r}')
    values = np.asarray(colors) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(matrices[kind]).T, 0, 1)
    return np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
