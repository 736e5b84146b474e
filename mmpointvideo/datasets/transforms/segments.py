"""Transforms of the segments of a clip."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmpointvideo.registry import TRANSFORMS

from .base import PointVideoTransform, build_transforms, describe


@TRANSFORMS.register_module()
class ForEachSegment(PointVideoTransform):
    """Transform every segment of a split clip on its own, with random numbers of its own.

    What context and target share by chance tells a clip from the others of a batch, and a contrast
    learns that instead of what is done: clips that were turned or scaled as a whole are recognised
    by their angle or size. Segments that are changed one by one share nothing of the kind.

    Required key: ``points`` ``(L, T/L, N, 3 + C)``, as ``SplitSegments`` leaves them.

    Args:
        transforms: Configs or objects; each gets ``points`` of one segment, ``(T/L, N, 3 + C)``,
            and has to keep their shape.

    Raises:
        TypeError: If ``transforms`` is no list.
    """

    is_augmentation = True

    def __init__(self, transforms: Sequence[dict | Callable]) -> None:
        if isinstance(transforms, dict | str) or not isinstance(transforms, Sequence):
            raise TypeError(f'transforms: expected a list of transforms, got {transforms!r}')
        self.transforms = build_transforms(transforms)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``points``.

        Raises:
            ValueError: If the clip is not split, or a transform changes the shape.
        """
        clip = results['points']
        if clip.ndim != 4:
            raise ValueError(
                f'{describe(results)}: expected points of shape (L, T/L, N, 3 + C), got '
                f'{clip.shape}: put ForEachSegment behind SplitSegments'
            )
        segments = []
        for number, points in enumerate(clip):
            part = dict(results, points=points, segment=number)
            for transform in self.transforms:
                part = transform(part)
            if part['points'].shape != points.shape:
                raise ValueError(
                    f'{describe(results)}: a transform of ForEachSegment made points of shape '
                    f'{part["points"].shape} from {points.shape}'
                )
            segments.append(part['points'])
        results['points'] = np.stack(segments)
        return results
