"""The head of local point contrast."""

from __future__ import annotations

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmpointvideo.models.memories import MemoryBank
from mmpointvideo.registry import MODELS
from mmpointvideo.utils.dist import gather_rows


@MODELS.register_module()
class PointContrastHead(nn.Module):
    """Contrast aligned predictions with target superpoints (Section 3.1).

    Args:
        loss: Config of ``PointInfoNCELoss``.
        exclude_same_video: Bank entries of a superpoint's own video are neither its neighbours
            nor its negatives.
        neighbor_start_epoch: Epochs (counted from 0) before this one use no positive neighbours:
            an untrained predictor loses the whole numerator of Eq. 4 to them. 0 is the paper.
    """

    def __init__(
        self, loss: dict, exclude_same_video: bool = True, neighbor_start_epoch: int = 0
    ) -> None:
        super().__init__()
        self.loss_module = MODELS.build(loss)
        self.exclude_same_video = exclude_same_video
        self.neighbor_start_epoch = neighbor_start_epoch

    def loss(
        self,
        prediction: Tensor,
        target: Tensor,
        video_index: Tensor,
        memory_bank: MemoryBank | None = None,
    ) -> dict[str, Tensor]:
        """Loss and what to log with it.

        Args:
            prediction: Aligned predictions Q̂, ``(B, l, r, c)``.
            target: Target superpoints Z, ``(B, l, r, c)``.
            video_index: The clips' videos, ``(B,)`` int64.
            memory_bank: The memory; without one the batch gives the negatives.

        Returns:
            ``loss_contrast`` and statistics.
        """
        superpoints = target[0, ..., 0].numel()
        prediction, target = prediction.flatten(0, 2), target.flatten(0, 2)
        zero = target.new_zeros((), dtype=torch.float32)
        bank, groups, share = target.new_empty(0, target.shape[1]), None, zero
        if memory_bank is not None:
            # no copy: the loss takes its gradient at once, an update later cannot change it
            bank = memory_bank.features[: memory_bank.num_valid]
            entry_video = memory_bank.provenance.video[: len(bank)]
            groups = video_index.repeat_interleave(superpoints), entry_video
            if len(bank):
                share = (video_index[:, None] == entry_video).float().mean()
        epoch = MessageHub.get_current_instance().get_info('epoch', 0)
        batch_target, offset = gather_rows(target)
        loss, seen = self.loss_module.forward_with_statistics(
            prediction,
            target,
            bank,
            num_neighbors=0 if epoch < self.neighbor_start_epoch else None,
            batch_target=batch_target,
            batch_offset=offset,
            groups=groups if self.exclude_same_video else None,
            unit_bank=True,
        )
        return {
            'loss_contrast': loss,
            'positive_share': seen.positive_share,
            'similarity_prediction_target': seen.similarity_prediction_target,
            'similarity_topk': seen.similarity_topk,
            'bank_fill': zero + (len(bank) / memory_bank.size if memory_bank else 0.0),
            'same_video_share': share,
        }
