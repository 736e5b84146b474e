"""Frame windows of temporal convolutions."""

from __future__ import annotations

import pytest

from mmpointvideo.models.layers.tube import frame_windows


def test_windows_with_zeros_and_replication():
    windows = frame_windows(4, 3, 2, (1, 0), 'zeros')
    assert windows.taps == ((-1, 0, 1), (1, 2, 3))
    assert windows.anchors == (0, 2)
    assert windows.pads_with_zeros
    windows = frame_windows(4, 3, 2, (1, 0), 'replicate')
    assert windows.taps == ((0, 0, 1), (1, 2, 3))
    assert not windows.pads_with_zeros
    assert frame_windows(1, 3, 1, (1, 1), 'replicate').taps == ((0, 0, 0),)
    assert frame_windows(2, 3, 1, (2, 2), 'zeros').anchors == (-1, 0, 1, -1)


def test_no_padding():
    windows = frame_windows(5, 3, 2)
    assert windows.taps == ((0, 1, 2), (2, 3, 4))
    assert windows.anchors == (1, 3)


@pytest.mark.parametrize(('frames', 'stride'), [(4, 2), (2, 1)])
def test_sizes_that_do_not_divide(frames, stride):
    with pytest.raises(ValueError, match='divisible by the temporal stride'):
        frame_windows(frames, 3, stride)
