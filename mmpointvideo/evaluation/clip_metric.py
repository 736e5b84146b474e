"""What metrics over the clips of a data set share."""

from __future__ import annotations

from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric


class ClipMetric(BaseMetric):
    """Gathers rows of clips, each beginning with its ``sample_idx``, and counts every clip once.

    Subclasses fill ``results`` with rows in ``process`` and compute metrics of distinct clips in
    ``compute_metrics``.
    """

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the clips of all processes and compute the metrics.

        Args:
            size: Number of clips of the data set.

        Raises:
            ValueError: On every process, if the number of different clips is not ``size`` or the
                metrics cannot be computed.
        """
        parts = all_gather_object(list(self.results))
        self.results.clear()
        metrics: list[dict[str, float] | str | None] = [None]
        if is_main_process():
            clips = {row[0]: row for part in reversed(parts) for row in part}
            if size and len(clips) == size:
                lead = f'{self.prefix}/' if self.prefix else ''
                try:
                    found = self.compute_metrics([clips[index] for index in sorted(clips)])
                    metrics = [{lead + name: value for name, value in found.items()}]
                except ValueError as error:  # told to the others, who wait
                    metrics = [str(error)]
            else:
                metrics = [
                    f'{type(self).__name__} expects every one of the {size} clips of the data set, '
                    f'at least one, got {len(clips)}: does the dataloader drop the last batch, or '
                    'the data set give several clips one sample_idx?'
                ]
        broadcast_object_list(metrics)
        if not isinstance(metrics[0], dict):  # all processes stop, not the first alone
            raise ValueError(metrics[0])
        return metrics[0]
