"""One function splits arrays and tensors."""

import numpy as np
import pytest
import torch

from mmpointvideo.datasets.segments import split_segments


@pytest.mark.parametrize('axis', [1, -2])
def test_segments_are_consecutive_frames(axis):
    array = np.arange(2 * 12 * 5).reshape(2, 12, 5)
    split = split_segments(array, 3, axis)
    assert split.shape == (2, 3, 4, 5)
    for segment in range(3):
        np.testing.assert_array_equal(split[:, segment], array[:, 4 * segment : 4 * segment + 4])
    tensor = split_segments(torch.from_numpy(array), 3, axis)
    np.testing.assert_array_equal(tensor.numpy(), split)


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r'10 frames cannot be split into 4.*\[1, 2, 5, 10\]'):
        split_segments(np.zeros((10, 3)), 4, 0)
    with pytest.raises(ValueError, match='at least 1'):
        split_segments(np.zeros((10, 3)), 0, 0)
    with pytest.raises(ValueError, match='expected one of 2 axes'):
        split_segments(torch.zeros(10, 3), 2, 2)
    with pytest.raises(ValueError, match='0 frames'):
        split_segments(np.zeros((0, 3)), 2, 0)
