"""Which frames a temporal convolution reads: padding, windows, strides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

PADDING_MODES = ('zeros', 'replicate')
#: the index of a frame of zeros
ZERO_FRAME = -1


@dataclass(frozen=True)
class FrameWindows:
    """Source frames of every output frame; :data:`ZERO_FRAME` is a frame of zeros.

    Attributes:
        anchors: The frame at the centre of every window, length L.
        taps: The frames of every window in order, L tuples of length k_t.
    """

    anchors: tuple[int, ...]
    taps: tuple[tuple[int, ...], ...]

    @property
    def pads_with_zeros(self) -> bool:
        """Whether a window reads a frame of zeros."""
        return any(ZERO_FRAME in window for window in self.taps)

    @property
    def repeats(self) -> bool:
        """Whether a window reads a frame more than once, as padding makes it do."""
        return any(len(set(window)) < len(window) for window in self.taps)

    def pairs(self) -> tuple[list[tuple[int, int]], list[list[int]]]:
        """Every (window, frame) that is read, once, and which of them each tap is.

        Returns:
            P pairs in order, and an index into them for each of the L windows' k_t taps.
        """
        found: dict[tuple[int, int], int] = {}
        slots = [
            [found.setdefault((step, frame), len(found)) for frame in window]
            for step, window in enumerate(self.taps)
        ]
        return list(found), slots


def output_frames(
    num_frames: int, kernel_size: int, stride: int, padding: tuple[int, int]
) -> int | None:
    """Number of output frames L, or None where the stride does not divide."""
    span = num_frames + sum(padding) - kernel_size
    return None if span < 0 or span % stride else span // stride + 1


@lru_cache(maxsize=256)
def frame_windows(
    num_frames: int,
    kernel_size: int,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    padding_mode: str = 'zeros',
) -> FrameWindows:
    """Lay out the windows of a temporal convolution.

    Args:
        num_frames: Number of input frames, T.
        kernel_size: Number of frames of a window, k_t; odd.
        stride: Steps between the centres of the windows.
        padding: Number of frames added before and after.
        padding_mode: What they are: ``'zeros'``, or ``'replicate'`` of the first and last frame.

    Raises:
        ValueError: If ``T + padding - k_t`` is negative or not divisible by the stride.
    """
    length = output_frames(num_frames, kernel_size, stride, padding)
    if length is None:
        span = num_frames + sum(padding) - kernel_size
        raise ValueError(
            f'expected T + padding - temporal_kernel_size to be divisible by the temporal stride '
            f'{stride} and not negative, got {num_frames} + {sum(padding)} - {kernel_size} = '
            f'{span}: change the number of frames or the temporal padding'
        )

    def source(padded: int) -> int:
        frame = padded - padding[0]
        if 0 <= frame < num_frames:
            return frame
        if padding_mode == 'zeros':
            return ZERO_FRAME
        return min(max(frame, 0), num_frames - 1)

    taps = tuple(
        tuple(source(step * stride + tap) for tap in range(kernel_size)) for step in range(length)
    )
    return FrameWindows(tuple(window[kernel_size // 2] for window in taps), taps)
