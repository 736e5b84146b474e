"""DDP with synchronised batch norms."""

from __future__ import annotations

from typing import Any

from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmpointvideo.models.layers.sync_batch_norm import convert_sync_batch_norm
from mmpointvideo.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SyncBNDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's ``MMDistributedDataParallel`` over a model whose batch norms see all processes.

    ``prepare_launch`` chooses it for a config with ``sync_bn``. It needs no GPU.

    Args:
        module: The model; its batch norms are replaced, weights and their names stay.
        detect_anomalous_params: As in MMEngine's wrapper.
        **kwargs: For ``torch.nn.parallel.DistributedDataParallel``.
    """

    def __init__(
        self, module: nn.Module, detect_anomalous_params: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(convert_sync_batch_norm(module), detect_anomalous_params, **kwargs)
