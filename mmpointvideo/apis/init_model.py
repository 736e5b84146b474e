"""Models from a config and a checkpoint."""

from __future__ import annotations

import os

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmpointvideo.checkpoints import read_state_dict, require_all_weights
from mmpointvideo.engine.options import load_config
from mmpointvideo.models.recognizers import PointVideoRecognizer
from mmpointvideo.registry import MODELS


def init_model(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    device: str | torch.device | None = None,
) -> nn.Module:
    """Build a model for inference.

    Args:
        config: A config or its path.
        checkpoint: A checkpoint of this very model. None: initialised as training would be
            (with the encoder's weights where the config names an ``encoder_checkpoint``).
        device: Where the model runs; by default the first GPU, or the CPU.

    Returns:
        The model in eval mode, with its config as ``cfg`` and what the checkpoint says about
        the data set (classes, ...) as ``dataset_meta``.

    Raises:
        FileNotFoundError: If the config or checkpoint does not exist.
        ValueError: If the config has no model, or the checkpoint is not one of this model.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    if not config.get('model'):
        raise ValueError(f'{config.filename or "the config"}: expected a model in it, got none')
    init_default_scope(config.get('default_scope', 'mmpointvideo'))
    model = MODELS.build(config.model)
    model.cfg = config
    model.dataset_meta = {}
    if checkpoint is None:
        model.init_weights()
    else:
        loaded = CheckpointLoader.load_checkpoint(os.fspath(checkpoint), map_location='cpu')
        require_all_weights(model, loaded)
        model.load_state_dict(read_state_dict(loaded))
        model.dataset_meta = dict(loaded.get('meta', {}).get('dataset_meta') or {})
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return model.to(device).eval()


def init_recognizer(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    device: str | torch.device | None = None,
) -> PointVideoRecognizer:
    """Build a recognizer for inference; arguments as of :func:`init_model`.

    Raises:
        FileNotFoundError: If the config or checkpoint does not exist.
        ValueError: If the config is one of another kind of model, or the checkpoint is.
    """
    model = init_model(config, checkpoint, device)
    if not isinstance(model, PointVideoRecognizer):
        raise ValueError(
            f'expected the config of a PointVideoRecognizer, got that of a {type(model).__name__}: '
            'give the config and checkpoint of a downstream task (linear probe, fine-tuning)'
        )
    return model
