"""Narrow versions of networks."""


def scale_channels(channels: int, width: float) -> int:
    """A channel number times ``width``, rounded to a multiple of 4, at least 4."""
    if width == 1:
        return channels
    return max(4, 4 * round(channels * width / 4))
