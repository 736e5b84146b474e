"""Memories of past embeddings, and what is selected from them."""

from .memory_bank import MemoryBank, Provenance
from .selection import Selection, select_neighbors_and_negatives

__all__ = ['MemoryBank', 'Provenance', 'Selection', 'select_neighbors_and_negatives']
