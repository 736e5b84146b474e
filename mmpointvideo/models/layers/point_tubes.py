"""The point tubes of a PSTConv: anchors, their neighbours, and which of them are read later.

All of it follows from positions alone. An encoder can therefore query every layer before any
feature is computed, and leave out the features that no later layer reads. They are many: a ball
query takes the first K points of its ball, so that balls that overlap take the same ones.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class PointTubes(NamedTuple):
    """Tubes of a batch of clips.

    Attributes:
        xyz: Source positions, ``(B, T, N, 3)``, or ``(B, T + 1, N, 3)`` with a frame of zeros at
            the end where one is read.
        num_frames: T.
        centers: Anchors, ``(B, L, M, 3)``.
        idx: Their neighbours, ``(B * A, S, M, K)`` int64. Without ``slots`` A is L, the windows,
            and S their taps; with ``slots`` A counts the distinct (window, frame) pairs, and S
            is 1.
        frames: The source frame of every tap, ``(B * A, S)`` int64, counted over the whole batch;
            -1 stands for a frame of zeros that is not among ``xyz``.
        steps: The window of every one of the A, length A.
        slots: The pair of every tap, ``(L, S)`` int64, or None.
        rows: The anchors whose features are asked for, ``(B, L, R)`` int64, or None for all.
    """

    xyz: Tensor
    num_frames: int
    centers: Tensor
    idx: Tensor
    frames: Tensor
    steps: list[int]
    slots: Tensor | None = None
    rows: Tensor | None = None

    @property
    def anchors(self) -> Tensor:
        """Positions of the anchors that the A sets of neighbours belong to, ``(B * A, M, 3)``."""
        centers = self.centers if self.slots is None else self.centers[:, self.steps]
        return centers.flatten(0, 1)

    @property
    def asked_centers(self) -> Tensor:
        """Anchors whose features are asked for, ``(B, L, R, 3)``; never ``centers`` itself.

        Activation checkpointing gives the tensors that a layer returns a gradient function; on
        ``centers``, which the layer above reads, that would make the graph endless.
        """
        return self.centers.detach() if self.rows is None else take_points(self.centers, self.rows)

    def only_anchors(self, rows: Tensor) -> PointTubes:
        """The tubes of some anchors, ``rows`` (B, L, R) int64, alone."""
        batch, _, size = rows.shape
        asked = rows[:, self.steps].flatten(0, 1)[:, None, :, None]
        return self._replace(
            centers=take_points(self.centers, rows),
            idx=self.idx.gather(2, asked.expand(-1, self.idx.shape[1], -1, self.idx.shape[3])),
            rows=None,
        )

    def only_read_points(self) -> tuple[PointTubes, Tensor | None]:
        """Leave out the points that nothing reads.

        Returns:
            The tubes, with as many points a frame as are read in the fullest one, and which
            points those are: ``(B, T, N')`` int64. Frames with fewer are filled up with copies
            of the first point that nothing reads. (self, None) where a frame is read in full.
        """
        batch, all_frames, num_points = self.xyz.shape[:3]
        nowhere = batch * all_frames * num_points
        first = self.frames.clamp(min=0)[:, :, None, None] * num_points
        rows = torch.where((self.frames >= 0)[:, :, None, None], self.idx + first, nowhere)
        read = torch.zeros(nowhere + 1, dtype=torch.bool, device=rows.device)
        read[rows.flatten()] = True
        read = read[:-1].view(batch, all_frames, num_points)
        read[:, self.num_frames :] = False  # a frame of zeros: its points are all the same
        size = max(1, int(read.sum(2).max()))
        if size == num_points:
            return self, None
        # of every point its place among those that are read; the others share a place at the end
        place = (read.cumsum(2) - 1).clamp(min=0)
        points = torch.arange(num_points, device=rows.device).expand_as(place)
        kept = points.new_zeros(batch, all_frames, size + 1)
        kept = kept.scatter_(2, torch.where(read, place, size), points)[:, :, :size]
        left = self._replace(xyz=take_points(self.xyz, kept), idx=place.flatten()[self.idx + first])
        return left, kept[:, : self.num_frames]


def take_points(x: Tensor, rows: Tensor) -> Tensor:
    """``x`` (B, T, N, C) at ``rows`` (B, T, R): ``(B, T, R, C)``."""
    return x.gather(2, rows[..., None].expand(-1, -1, -1, x.shape[3]))


def append_zero_frame(x: Tensor) -> Tensor:
    """A frame of zeros after the others of ``x`` (B, T, N, C)."""
    return F.pad(x, (0, 0, 0, 0, 0, 1))
