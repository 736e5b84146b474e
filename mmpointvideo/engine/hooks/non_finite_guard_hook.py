"""Stop at the first NaN, and say where it came from."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmpointvideo.registry import HOOKS


@HOOKS.register_module()
class NonFiniteGuardHook(Hook):
    """End a run with a NaN or infinite loss or weight, naming iteration, values and videos.

    It looks after every step and before anything is stored: neither the memory bank nor a
    checkpoint gets anything of the bad iteration, so the last checkpoint of a run that went wrong
    is one to go on from (with a lower learning rate, gradient clipping, or without the video).
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Check what the iteration logs, and the weights that it left.

        Raises:
            FloatingPointError: If any of them is not finite.
        """
        bad: dict[str, Any] = {}
        for name, value in (outputs or {}).items():
            number = torch.as_tensor(value).detach().float()
            if not bool(number.isfinite().all()):
                bad[name] = number.tolist()
        bad.update({name: 'not finite' for name in _bad_weights(runner.model)})
        if bad:
            raise FloatingPointError(
                f'rank {get_rank()}, iteration {runner.iter + 1} (epoch {runner.epoch + 1}, batch '
                f'{batch_idx}): {bad}. Videos of the batch: {_videos(data_batch)}. Nothing of '
                'this iteration was saved; go on from the last checkpoint with a lower learning '
                'rate or optim_wrapper.clip_grad, or check the videos with '
                'tools/misc/verify_dataset.py'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights.

        Raises:
            FloatingPointError: If one is not finite; nothing is written then.
        """
        bad = [
            name
            for name, value in checkpoint['state_dict'].items()
            if isinstance(value, Tensor)
            and value.is_floating_point()
            and not bool(value.isfinite().all())
        ]
        if bad:
            raise FloatingPointError(
                f'iteration {runner.iter + 1}: NaN or infinite values in {bad[:5]}'
                f'{" and others" if len(bad) > 5 else ""}; the checkpoint was not written, go on '
                'from the last one with a lower learning rate or optim_wrapper.clip_grad'
            )


def _bad_weights(model: nn.Module) -> list[str]:
    """Names of parameters that hold NaN or infinity; the first five."""
    named = [(n, p.detach()) for n, p in model.named_parameters() if p.requires_grad]
    if not named or bool(
        torch.stack([p.sum(dtype=torch.float32) for _, p in named]).isfinite().all()
    ):
        return []
    return [name for name, value in named if not bool(value.isfinite().all())][:5]


def _videos(data_batch: Any) -> str:
    """The clips of a batch, for people."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    if not samples:
        return 'unknown (the batch has no data_samples)'
    return ', '.join(
        f'{sample.get("video_id", "?")} (clip start {sample.get("clip_start", "?")})'
        for sample in samples
    )
