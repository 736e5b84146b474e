"""Neighbours of tubes as rows: every distinct neighbour once, with how often it counts.

A ball query pads with its first hit, so in a sparse scene most of the K neighbours of an anchor are
copies. A network over grouped points computes them all; here each distinct neighbour is one row,
and sums over neighbours (the statistics of a batch normalisation) weight it by its multiplicity.
A maximum needs no weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_same_device

#: share of distinct neighbours from which all K are kept: their regular layout is then cheaper
DENSE_FROM = 0.9


@dataclass(frozen=True)
class TubeRows:
    """R rows in the order of their anchors; a pair is an (anchor frame, tap).

    Attributes:
        source: Flat index of the neighbour in the points of all frames, ``(R,)`` int64.
        displacement: Neighbour minus anchor, ``(R, 3)``.
        weight: How often the row counts, ``(R,)``; None where every row counts once and every
            anchor has K rows.
        offsets: First row of every anchor and the end, ``(B * P * M + 1,)`` int64.
        num_batch: Number of clips, B.
        num_pairs: Number of pairs of a clip, P = L * k_t.
        num_anchors: Number of anchors of a frame, M.
        num_neighbors: Neighbours of an anchor, copies included, K.
    """

    source: Tensor
    displacement: Tensor
    weight: Tensor | None
    offsets: Tensor
    num_batch: int
    num_pairs: int
    num_anchors: int
    num_neighbors: int

    @property
    def count(self) -> int:
        """Neighbours of a pair in the whole batch, copies included."""
        return self.num_batch * self.num_anchors * self.num_neighbors

    @property
    def bounds(self) -> Tensor:
        """First row of every (clip, pair) and the end, ``(B * P + 1,)``."""
        return self.offsets[:: self.num_anchors]

    def anchor_of_rows(self) -> Tensor:
        """Flat anchor of every row, ``(R,)``."""
        anchors = torch.arange(len(self.offsets) - 1, device=self.offsets.device)
        return anchors.repeat_interleave(self.offsets.diff(), output_size=len(self.source))

    def sum_by_pair(self, x: Tensor) -> Tensor:
        """Sum rows ``(R, C)``, each as often as it counts, into ``(P, C)``."""
        if self.weight is not None:
            x = x * self.weight[:, None]
            x = torch.segment_reduce(x, 'sum', offsets=self.offsets, axis=0)
        return x.view(self.num_batch, self.num_pairs, -1, x.shape[1]).sum(2).sum(0)

    def expand_pairs(self, x: Tensor) -> Tensor:
        """Give every row the value of its pair: ``(1 or P, C)`` to ``(R or 1, C)``."""
        if x.shape[0] == 1:
            return x
        lengths = self.bounds.diff()
        x = x.repeat(self.num_batch, 1)
        return x.repeat_interleave(lengths, dim=0, output_size=len(self.source))


def tube_rows(
    xyz: Tensor, centers: Tensor, idx: Tensor, frames: Tensor, dense_from: float = DENSE_FROM
) -> TubeRows:
    """Lay out the neighbours of all tubes of a batch.

    Args:
        xyz: Positions of all frames, ``(B, T, N, 3)``.
        centers: Anchors, ``(B, L, M, 3)``.
        idx: Neighbours as from a ball query (the first repeats), ``(B * L, k_t, M, K)``.
        frames: Source frame of every tap, ``(L, k_t)`` int64.
        dense_from: Share of distinct neighbours from which copies are kept.

    Raises:
        ValueError: If tensors are on several devices.
    """
    check_same_device(xyz=xyz, centers=centers, idx=idx, frames=frames)
    num_batch, num_frames, num_points = xyz.shape[:3]
    num_taps, num_anchors, num_neighbors = idx.shape[1:]
    num_pairs = centers.shape[1] * num_taps
    idx = idx.view(num_batch, num_pairs, num_anchors, num_neighbors)
    clip = torch.arange(num_batch, device=xyz.device)[:, None] * num_frames
    first_point = (clip + frames.flatten()) * num_points
    source = idx + first_point[:, :, None, None]

    distinct = idx != idx[..., :1]
    distinct[..., 0] = True
    counts = distinct.sum(3).flatten()
    weight = None
    if int(counts.sum()) < dense_from * idx.numel():
        kept = distinct.flatten().nonzero()[:, 0]
        anchor, slot = kept // num_neighbors, kept % num_neighbors
        copies = torch.where(slot == 0, num_neighbors - counts[anchor], 0)
        weight = (1 + copies).to(xyz.dtype)
        source = source.flatten()[kept]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    else:
        source = source.flatten()
        rows = torch.arange(idx[..., 0].numel() + 1, device=xyz.device)
        offsets = rows * num_neighbors
        anchor = rows[:-1].repeat_interleave(num_neighbors)
    # (clip, anchor frame, tap, anchor) reads (clip, anchor frame, anchor)
    tube = anchor // (num_taps * num_anchors) * num_anchors + anchor % num_anchors
    displacement = xyz.reshape(-1, 3)[source] - centers.reshape(-1, 3)[tube]
    return TubeRows(
        source, displacement, weight, offsets, num_batch, num_pairs, num_anchors, num_neighbors
    )


def gather_counts(rows: TubeRows, num_points: int) -> Tensor:
    """How often every point of a pair's source frame is a neighbour: ``(B * P, N)``."""
    segments = rows.num_batch * rows.num_pairs
    lengths = rows.bounds.diff()
    segment = torch.arange(segments, device=lengths.device).repeat_interleave(
        lengths, output_size=len(rows.source)
    )
    counts = rows.displacement.new_zeros(segments * num_points)
    weight = rows.weight
    if weight is None:
        weight = counts.new_ones(1).expand(len(rows.source))
    counts.index_add_(0, segment * num_points + rows.source % num_points, weight)
    return counts.view(segments, num_points)
