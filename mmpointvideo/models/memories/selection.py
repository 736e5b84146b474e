"""Which entries of a memory are a superpoint's neighbours and negatives (Eqs. 1 and 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Selection(NamedTuple):
    """Neighbours and negatives of ``M`` superpoints among ``S`` entries.

    Attributes:
        neighbor_index: ``(M, K)`` int64, the most similar entries, most similar first.
        neighbor_valid: ``(M, K)`` bool, False where fewer than K entries were allowed.
        negative: ``(M, S)`` bool, the entries kept as negatives. Never a neighbour, never an
            excluded entry.
    """

    neighbor_index: Tensor
    neighbor_valid: Tensor
    negative: Tensor


@torch.no_grad()
def select_neighbors_and_negatives(
    similarity: Tensor,
    num_neighbors: int,
    negative_ratio: float,
    exclude: Tensor | None = None,
) -> Selection:
    """Take the most similar entries as neighbours and the least similar ones as negatives.

    Of the ``n`` entries that a row is allowed to use, the ``floor(negative_ratio * n)`` least
    similar become negatives, and never one of the row's neighbours: with a ratio of 1 the
    negatives are all allowed entries but the neighbours. Order statistics are found by
    selection, not by sorting; among equal similarities at the border the entries with the lower
    index are negatives.

    Args:
        similarity: ``(M, S)`` similarities of superpoints and entries.
        num_neighbors: K >= 0. Rows with fewer allowed entries get fewer neighbours.
        negative_ratio: Share of the allowed entries kept as negatives, in ``(0, 1]``.
        exclude: ``(M, S)`` bool, True where an entry may be neither.

    Returns:
        The selection.
    """
    rows, entries = similarity.shape
    if exclude is None:
        exclude = torch.zeros_like(similarity, dtype=torch.bool)
    allowed_count = entries - exclude.sum(dim=1)
    k = min(num_neighbors, entries)
    ranked = similarity.masked_fill(exclude, -torch.inf)
    neighbor_index = ranked.topk(k, dim=1).indices
    neighbor_valid = torch.arange(k, device=similarity.device) < allowed_count[:, None]
    taken = exclude.scatter(1, neighbor_index, True) if k else exclude
    negative = _lowest(similarity, taken, _negative_count(allowed_count, k, negative_ratio))
    return Selection(neighbor_index, neighbor_valid, negative)


def _negative_count(allowed: Tensor, num_neighbors: int, ratio: float) -> Tensor:
    # the small constant keeps 0.7 * 90 = 62.999... at 63
    count = (allowed * ratio + 1e-6).floor().long()
    return torch.minimum(count, (allowed - num_neighbors).clamp(min=0))


def _lowest(values: Tensor, taken: Tensor, count: Tensor) -> Tensor:
    """Mask of the ``count[i]`` lowest values of row i among those not taken, (M, S) bool.

    One ``kthvalue`` serves rows with different counts: enough of a row's taken entries are moved
    below everything else that its wanted order statistic has the same rank in every row.
    """
    rows, entries = values.shape
    if rows == 0 or entries == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    rank = int(count.max())
    if rank == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    # `rank - count` taken entries go to the bottom; rows with too few taken entries (possible
    # when rows differ in their number of allowed entries) get the missing ones as extra columns
    shift = rank - count
    shifted = values.masked_fill(taken, torch.inf)
    if bool(shift.any()):
        padding = int((shift - taken.sum(dim=1)).clamp(min=0).max())
        if padding:
            shifted = torch.cat([shifted, values.new_full((rows, padding), torch.inf)], dim=1)
            taken = torch.cat([taken, taken.new_ones(rows, padding)], dim=1)
        number = taken.cumsum(dim=1, dtype=torch.int32)
        shifted.masked_fill_(taken & (number <= shift[:, None]), -torch.inf)
    border = shifted.kthvalue(rank, dim=1, keepdim=True).values
    shifted, taken = shifted[:, :entries], taken[:, :entries]
    border = border.masked_fill(count[:, None] == 0, -torch.inf)
    chosen = (shifted <= border).logical_and_(~taken)
    surplus = chosen.sum(dim=1) - count
    if bool(surplus.any()):  # several entries at the border: those of lower index
        at_border = (shifted == border).logical_and_(~taken)
        room = at_border.sum(dim=1) - surplus
        late = at_border.cumsum(dim=1, dtype=torch.int32) > room[:, None]
        chosen &= ~(at_border & late)
    return chosen
