"""Slow, literal transcriptions: what the fast code is measured against."""
