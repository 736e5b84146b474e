"""Memories of past embeddings."""
