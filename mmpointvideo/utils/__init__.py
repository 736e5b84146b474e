"""Small helpers without a home of their own."""

from .dist import gather_rows

__all__ = ['gather_rows']
