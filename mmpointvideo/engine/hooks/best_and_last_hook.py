"""The last and the best epoch, each under its own name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpointvideo.registry import HOOKS
from mmpointvideo.utils.atomic import write_json


@HOOKS.register_module()
class BestAndLastHook(Hook):
    """Keep the results of the last and of the best epoch apart.

    The result of a run is that of its last epoch; the best epoch on the test videos is a number
    chosen with their help. After every validation ``results.json`` in the work dir holds
    ``last`` and ``best`` (each with its epoch and all metrics), ``best_by`` (the metric that
    chose it) and ``history``; the log and the visualizers get ``last/KEY`` and ``best/KEY``. A
    resumed run goes on with the history in its work dir.

    Args:
        key: The metric that chooses the best epoch. A run that does not have it, such as one of
            pre-training or of segmentation, is an error: name one of its metrics.
        rule: ``'greater'`` or ``'less'``: what is better. Among equals the first is the best.
        file: Name of the file in the work dir.
    """

    priority = 'LOW'

    def __init__(
        self, key: str = 'video_acc', rule: str = 'greater', file: str = 'results.json'
    ) -> None:
        if rule not in ('greater', 'less'):
            raise ValueError(f"BestAndLastHook expects rule 'greater' or 'less', got {rule!r}")
        self.key = key
        self.rule = rule
        self.file = file
        self.history: list[dict[str, Any]] = []
        self.in_training = False

    def before_train(self, runner: Runner) -> None:
        """Take up the history of the epochs that a resumed run has behind it."""
        self.in_training = True
        path = Path(runner.work_dir) / self.file
        if runner.iter == 0 or not path.is_file():
            return
        history = json.loads(path.read_text(encoding='utf-8'))['history']
        self.history = [row for row in history if row['iter'] <= runner.iter]

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Record a validation; one outside training (``Runner.val``) leaves the file alone."""
        if not self.in_training:
            return
        if metrics is None or self.key not in metrics:
            raise ValueError(
                f'BestAndLastHook expects the metric {self.key!r}, got '
                f'{sorted(metrics or {})}: set its key to one of them, or take the hook out'
            )
        epoch, iteration = int(runner.epoch), int(runner.iter)
        row: dict[str, Any] = {'epoch': epoch, 'iter': iteration}
        row.update({name: float(value) for name, value in metrics.items()})
        self.history = [old for old in self.history if old['iter'] < iteration] + [row]
        pick = max if self.rule == 'greater' else min
        best = pick(self.history, key=lambda entry: entry[self.key])
        if not is_main_process():
            return
        write_json(
            Path(runner.work_dir) / self.file,
            {'last': row, 'best': best, 'best_by': self.key, 'history': self.history},
        )
        runner.visualizer.add_scalars(
            {f'last/{self.key}': row[self.key], f'best/{self.key}': best[self.key]}, step=epoch
        )
        runner.logger.info(
            f'{self.key}: last {row[self.key]:.2f} (epoch {epoch}), '
            f'best {best[self.key]:.2f} (epoch {best["epoch"]})'
        )
