"""What programs use: models, features."""

from .features import build_feature_dataloader, extract_features
from .init_model import init_model

__all__ = ['build_feature_dataloader', 'extract_features', 'init_model']
