"""Anchors of the anchor frames, and their neighbours in every frame of their windows."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ...ops import ball_query, furthest_point_sample
from ...ops.sampling import TIE_ORDERS
from .point_tubes import take_points
from .tube import ZERO_FRAME, FrameWindows

__all__ = [
    'TIE_ORDERS',
    'check_clips',
    'check_features',
    'check_positions',
    'query_pairs',
    'query_windows',
    'sample_anchors',
]


def check_clips(
    xyz: Tensor, features: Tensor | None, in_channels: int, spatial_stride: int = 1
) -> None:
    """Raise unless positions and features fit each other and the layer.

    Args:
        xyz: To be ``(B, T, N, 3)``.
        features: To be ``(B, T, in_channels, N)``, or None for ``in_channels=0``.
        in_channels: What the layer was built for.
        spatial_stride: The smallest N.

    Raises:
        ValueError: If they do not.
    """
    check_positions(xyz, spatial_stride)
    check_features(features, in_channels, xyz)


def check_positions(xyz: Tensor, spatial_stride: int = 1) -> None:
    """Raise unless ``xyz`` is (B, T, N, 3) with at least ``spatial_stride`` points a frame.

    Raises:
        ValueError: If it is not.
    """
    if xyz.dim() != 4 or xyz.shape[-1] != 3:
        raise ValueError(f'xyz: expected shape (B, T, N, 3), got {tuple(xyz.shape)}')
    if xyz.shape[2] < spatial_stride:
        raise ValueError(
            f'expected at least spatial_stride={spatial_stride} points a frame, got {xyz.shape[2]}'
        )


def check_features(features: Tensor | None, in_channels: int, xyz: Tensor) -> None:
    """Raise unless ``features`` is (B, T, in_channels, N) at ``xyz`` (B, T, N, 3).

    Raises:
        ValueError: If it is not; for ``in_channels=0`` it has to be None.
    """
    if features is None:
        if in_channels:
            raise ValueError(f'features: expected {in_channels} channels, got None')
        return
    batch, frames, points = xyz.shape[:3]
    if not in_channels:
        raise ValueError(
            f'features: expected None for in_channels=0, got shape {tuple(features.shape)}'
        )
    if features.shape != (batch, frames, in_channels, points):
        raise ValueError(
            f'features: expected shape {(batch, frames, in_channels, points)} to fit '
            f'xyz {tuple(xyz.shape)}, got {tuple(features.shape)}'
        )


def sample_anchors(
    xyz: Tensor,
    windows: FrameWindows,
    zero_frame: int,
    num_samples: int,
    prefix_sampling: bool = False,
    tie_order: str = 'any',
) -> Tensor:
    """Sample every anchor frame.

    Args:
        xyz: ``(B, T, N, 3)``.
        windows: The L windows.
        zero_frame: Index of the frame of zeros in ``xyz``, where a window is centred on one.
        num_samples: Anchors of a frame, M.
        prefix_sampling: Take the first M points instead of furthest point sampling.
        tie_order: See :func:`mmpointvideo.ops.furthest_point_sample`.

    Returns:
        ``(B, L, M, 3)``.
    """
    frames = [zero_frame if frame == ZERO_FRAME else frame for frame in windows.anchors]
    xyz = xyz[:, frames]
    if prefix_sampling:
        return xyz[:, :, :num_samples].contiguous()
    idx = furthest_point_sample(xyz.flatten(0, 1), num_samples, tie_order)
    idx = idx.view(*xyz.shape[:2], -1)
    return take_points(xyz, idx)


def query_pairs(
    xyz: Tensor,
    centers: Tensor,
    pairs: Sequence[tuple[int, int]],
    radius: float,
    num_neighbors: int,
) -> Tensor:
    """Query (anchor frame, source frame) pairs.

    Args:
        xyz: ``(B, T, N, 3)``.
        centers: ``(B, L, M, 3)``.
        pairs: P pairs of an index into the L anchor frames and one into the T frames.
        radius: Radius of the balls.
        num_neighbors: Neighbours K of an anchor in a frame.

    Returns:
        ``(B, P, M, K)`` int64.
    """
    steps = [step for step, _ in pairs]
    sources = [frame for _, frame in pairs]
    idx = ball_query(
        xyz[:, sources].flatten(0, 1), centers[:, steps].flatten(0, 1), radius, num_neighbors
    )
    return idx.view(xyz.shape[0], len(pairs), *idx.shape[1:])


def query_windows(
    xyz: Tensor,
    centers: Tensor,
    windows: FrameWindows,
    zero_frame: int,
    radius: float,
    num_neighbors: int,
) -> Tensor:
    """Query every (anchor frame, tap) pair; pairs that repeat are queried once.

    Args:
        xyz: ``(B, T, N, 3)``.
        centers: ``(B, L, M, 3)``.
        windows: The L windows.
        zero_frame: Index of the frame of zeros in ``xyz``; ``ZERO_FRAME`` where the neighbours
            in such a frame do not matter.
        radius: Radius of the balls.
        num_neighbors: Neighbours K of an anchor in a frame.

    Returns:
        ``(B * L, k_t, M, K)`` int64.
    """
    pairs: dict[tuple[int, int], int] = {}
    slots: list[int] = []
    for step, window in enumerate(windows.taps):
        for frame in window:
            frame = zero_frame if frame == ZERO_FRAME else frame
            key = (step, frame if frame != ZERO_FRAME else windows.anchors[step])
            slots.append(pairs.setdefault(key, len(pairs)))
    idx = query_pairs(xyz, centers, list(pairs), radius, num_neighbors)
    if len(slots) != len(pairs):
        idx = idx[:, slots]
    return idx.unflatten(1, (len(windows.taps), -1)).flatten(0, 1)
