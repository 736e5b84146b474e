"""Point contrast with selected negatives and positive neighbours (Eqs. 1-4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.models.memories.selection import select_neighbors_and_negatives
from mmpointvideo.ops.checks import check_count
from mmpointvideo.registry import MODELS
from mmpointvideo.utils.precision import at_least_float32

from .chunked import chunked_mean

WEIGHTINGS = ('feature_weighted', 'add_positives', 'softmax')
ANCHORS = ('prediction', 'target')

#: number of similarities in one chunk of rows, above which it has no more than FEWEST_ROWS: with
#: fewer the bank is read too often
MOST_SIMILARITIES, FEWEST_ROWS = 1 << 20, 64
# A logit that takes no part: finite, so that a row without negatives has a zero gradient, not NaN.
_ABSENT = -1e30


class ContrastStatistics(NamedTuple):
    """What the loss saw, without gradients.

    Attributes:
        positive_share: Share of the aligned prediction's term in the numerator of Eq. 4, mean.
        similarity_prediction_target: Mean of z·q̂.
        similarity_topk: Mean similarity of z and its neighbours; 0 without neighbours.
    """

    positive_share: Tensor
    similarity_prediction_target: Tensor
    similarity_topk: Tensor


@MODELS.register_module()
class PointInfoNCELoss(nn.Module):
    r"""Local InfoNCE between aligned predictions and target superpoints.

    For every target :math:`z` with its aligned prediction :math:`\hat q`, the ``negative_ratio``
    least similar bank entries form :math:`\Psi` and the ``num_neighbors`` most similar ones
    :math:`N_k(z)`; with :math:`q_0 = \hat q` and :math:`w_0 = 1`,

    .. math:: L = -\log \frac{\sum_j w_j e^{z q_j / \tau}}
        {\sum_j w_j e^{z q_j / \tau} + \sum_{q' \in \Psi} e^{z q' / \tau}}

    is averaged over superpoints (Eq. 4; ``anchor='target'``). With ``anchor='prediction'`` the
    neighbours' and the negatives' terms compare with :math:`\hat q` instead of :math:`z`, so that
    every term reaches the predictor; what is selected, and the weights, still come from
    similarities with :math:`z`. All vectors are L2-normalised first. Everything is computed in
    float32 at least, by log-sum-exp, whatever the inputs' type.

    Rows are handled in chunks, each with its share of the gradient: no ``(M, S)`` tensor
    outlives its chunk, and the backward pass keeps the same for every size of the bank, which
    itself gets no gradient.

    Args:
        temperature: τ.
        negative_ratio: Share of the bank kept as negatives, in (0, 1] (Table 5).
        num_neighbors: K (Table 7); 0 for none.
        weighting: ``'feature_weighted'``: softmax of the neighbours' similarities (Eq. 3, B3 of
            Table 6); ``'add_positives'``: every weight is 1 (B2); ``'softmax'``: softmax over
            the K + 1 similarities, the aligned prediction included (B1).
        anchor: ``'prediction'`` or ``'target'`` (Eq. 4 as printed).
        in_batch_negatives: The other targets of the batch join the negatives, all of them.
        chunk_size: Rows handled at a time; fewer where the bank is large, down to 64, so that no
            tensor has more than ``MOST_SIMILARITIES`` elements.
    """

    def __init__(
        self,
        temperature: float = 0.01,
        negative_ratio: float = 0.7,
        num_neighbors: int = 3,
        weighting: str = 'feature_weighted',
        anchor: str = 'prediction',
        in_batch_negatives: bool = False,
        chunk_size: int = 1024,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        if not 0 < negative_ratio <= 1:
            raise ValueError(f'negative_ratio must be in (0, 1], got {negative_ratio}')
        num_neighbors = check_count('num_neighbors', num_neighbors, 0)
        if weighting not in WEIGHTINGS:
            raise ValueError(f'weighting must be one of {WEIGHTINGS}, got {weighting!r}')
        if anchor not in ANCHORS:
            raise ValueError(f'anchor must be one of {ANCHORS}, got {anchor!r}')
        chunk_size = check_count('chunk_size', chunk_size, 1)
        self.temperature = temperature
        self.negative_ratio = negative_ratio
        self.num_neighbors = num_neighbors
        self.weighting = weighting
        self.anchor = anchor
        self.in_batch_negatives = in_batch_negatives
        self.chunk_size = chunk_size

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        bank: Tensor,
        exclude: Tensor | None = None,
        *,
        num_neighbors: int | None = None,
        batch_target: Tensor | None = None,
        batch_offset: int = 0,
        groups: tuple[Tensor, Tensor] | None = None,
        unit_bank: bool = False,
    ) -> Tensor:
        """Mean loss over superpoints.

        Args:
            prediction: Aligned predictions Q̂, ``(M, c)``.
            target: Target superpoints Z, ``(M, c)``.
            bank: Valid entries of the memory, ``(S, c)``. When S is 0 the other targets of the
                batch are the negatives, and there are no neighbours.
            exclude: ``(M, S)`` bool, True where an entry is neither negative nor neighbour.
            num_neighbors: K of this call, if not the module's own.
            batch_target: Targets of all processes, ``(R, c)``, with gradients; ``target`` itself
                by default. Used for in-batch negatives.
            batch_offset: Row of ``batch_target`` at which this process' targets begin.
            groups: Numbers ``(M,)`` of the targets and ``(S,)`` of the entries: an entry with a
                target's own number is excluded, as with ``exclude``, which needs a table.
            unit_bank: The entries have length 1 already: no normalised copy is made.

        Returns:
            A scalar.
        """
        loss, _ = self.forward_with_statistics(
            prediction,
            target,
            bank,
            exclude,
            num_neighbors=num_neighbors,
            batch_target=batch_target,
            batch_offset=batch_offset,
            groups=groups,
            unit_bank=unit_bank,
        )
        return loss

    def forward_with_statistics(
        self,
        prediction: Tensor,
        target: Tensor,
        bank: Tensor,
        exclude: Tensor | None = None,
        *,
        num_neighbors: int | None = None,
        batch_target: Tensor | None = None,
        batch_offset: int = 0,
        groups: tuple[Tensor, Tensor] | None = None,
        unit_bank: bool = False,
    ) -> tuple[Tensor, ContrastStatistics]:
        """As ``forward``, with what the loss saw."""
        self._check(prediction, target, bank, exclude, groups, batch_target, batch_offset)
        k = self.num_neighbors
        if num_neighbors is not None:
            k = check_count('num_neighbors', num_neighbors, 0)
        use_batch = self.in_batch_negatives or len(bank) == 0
        with torch.autocast(prediction.device.type, enabled=False):
            prediction, target = (
                F.normalize(x, dim=-1) for x in at_least_float32(prediction, target)
            )
            bank = bank.detach().to(target.dtype)
            bank = bank if unit_bank else F.normalize(bank, dim=-1)
            others = target
            if batch_target is not None:
                others = F.normalize(batch_target.to(target.dtype), dim=-1)
            if not use_batch:
                others = others[:0]

            def rows_of(start: int, prediction: Tensor, target: Tensor, others: Tensor):
                rows = slice(start, start + len(target))
                left_out = None if exclude is None else exclude[rows].bool()
                if groups is not None:
                    same = groups[0][rows, None] == groups[1]
                    left_out = same if left_out is None else same | left_out
                return self._rows(
                    prediction, target, bank, left_out, others, batch_offset + start, k
                )

            columns = len(bank) + len(others)
            chunk = max(FEWEST_ROWS, MOST_SIMILARITIES // max(1, columns))
            chunk = min(self.chunk_size, chunk)
            loss, *seen = chunked_mean(rows_of, chunk, prediction, target, others)
        return loss, ContrastStatistics(*seen)

    def _rows(
        self,
        prediction: Tensor,
        target: Tensor,
        bank: Tensor,
        exclude: Tensor | None,
        others: Tensor,
        first_row: int,
        num_neighbors: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Loss and statistics of some rows, ``(m,)`` each."""
        similarity = target @ bank.T
        selection = select_neighbors_and_negatives(
            similarity.detach(), num_neighbors, self.negative_ratio, exclude
        )
        anchor = prediction if self.anchor == 'prediction' else target
        to_bank = anchor @ bank.T if self.anchor == 'prediction' else similarity

        aligned = (prediction * target).sum(dim=1, keepdim=True)
        near = similarity.gather(1, selection.neighbor_index)
        log_weight = self._log_weight(aligned, near, selection.neighbor_valid)
        terms = torch.cat([aligned, to_bank.gather(1, selection.neighbor_index)], dim=1)
        positive = (log_weight + terms / self.temperature).logsumexp(dim=1)

        negatives = (to_bank / self.temperature).masked_fill(~selection.negative, _ABSENT)
        if len(others):
            own = torch.arange(len(target), device=target.device)[:, None] + first_row
            column = torch.arange(len(others), device=target.device)
            to_others = anchor @ others.T / self.temperature
            negatives = torch.cat([negatives, to_others.masked_fill(own == column, _ABSENT)], dim=1)
        loss = F.softplus(negatives.logsumexp(dim=1) - positive)

        with torch.no_grad():
            share = (log_weight[:, 0] + aligned[:, 0] / self.temperature - positive).exp()
            valid = selection.neighbor_valid
            topk = (near * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1)
        return loss, share, aligned[:, 0].detach(), topk

    def _log_weight(self, aligned: Tensor, near: Tensor, valid: Tensor) -> Tensor:
        """Logarithms of ``w_0 .. w_K``, ``(m, 1 + K)``; absent neighbours get almost -inf."""
        near = near.masked_fill(~valid, _ABSENT)
        if self.weighting == 'softmax':
            return torch.cat([aligned, near], dim=1).log_softmax(dim=1)
        if self.weighting == 'feature_weighted' and near.shape[1]:
            neighbors = near.log_softmax(dim=1)
        else:
            neighbors = torch.zeros_like(near)
        neighbors = neighbors.masked_fill(~valid, _ABSENT)
        return torch.cat([torch.zeros_like(aligned), neighbors], dim=1)

    def _check(
        self,
        prediction: Tensor,
        target: Tensor,
        bank: Tensor,
        exclude: Tensor | None,
        groups: tuple[Tensor, Tensor] | None,
        batch_target: Tensor | None,
        batch_offset: int,
    ) -> None:
        if prediction.ndim != 2 or prediction.shape != target.shape or len(target) == 0:
            raise ValueError(
                'PointInfoNCELoss expects prediction and target of one shape (M, c), M >= 1, got '
                f'{tuple(prediction.shape)} and {tuple(target.shape)}'
            )
        if bank.ndim != 2 or bank.shape[1] != target.shape[1]:
            raise ValueError(
                f'PointInfoNCELoss expects a bank of shape (S, {target.shape[1]}), '
                f'got {tuple(bank.shape)}'
            )
        if batch_target is not None:
            last = batch_offset + len(target)
            wide = batch_target.ndim == 2 and batch_target.shape[1] == target.shape[1]
            if not wide or batch_offset < 0 or last > len(batch_target):
                raise ValueError(
                    f'PointInfoNCELoss expects batch_target (R, {target.shape[1]}) with the '
                    f'{len(target)} targets from row batch_offset={batch_offset} on, got '
                    f'{tuple(batch_target.shape)}'
                )
        if exclude is not None and exclude.shape != (len(target), len(bank)):
            raise ValueError(
                f'PointInfoNCELoss expects exclude of shape {(len(target), len(bank))}, '
                f'got {tuple(exclude.shape)}'
            )
        if groups is not None:
            shapes = tuple(tuple(part.shape) for part in groups)
            if shapes != ((len(target),), (len(bank),)):
                raise ValueError(
                    f'PointInfoNCELoss expects groups of shapes {((len(target),), (len(bank),))}, '
                    f'got {shapes}'
                )

    def extra_repr(self) -> str:
        """Settings, for ``print(model)``."""
        return (
            f'temperature={self.temperature}, negative_ratio={self.negative_ratio}, '
            f'num_neighbors={self.num_neighbors}, weighting={self.weighting!r}, '
            f'anchor={self.anchor!r}, in_batch_negatives={self.in_batch_negatives}'
        )
