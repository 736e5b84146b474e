"""Typed containers for annotations and predictions."""
