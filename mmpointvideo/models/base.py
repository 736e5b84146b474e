"""What every algorithm of the toolbox is."""

from __future__ import annotations

from mmengine.model import BaseModel

from mmpointvideo.registry import MODELS


class PointVideoModel(BaseModel):
    """A model over batches of point cloud videos.

    Its data preprocessor is a ``PointVideoDataPreprocessor`` unless the config says otherwise,
    built through the toolbox's own registry: models work in plain Python too, where no runner has
    set a default scope.

    Args:
        data_preprocessor: Config of the data preprocessor.
        init_cfg: Initialisation.
    """

    def __init__(self, data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        config = data_preprocessor or dict(type='PointVideoDataPreprocessor')
        super().__init__(MODELS.build(config), init_cfg)
