"""Semantic segmentation over an encoder."""
