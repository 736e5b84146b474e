"""What all transforms share: the base class and the source of random numbers."""

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from mmpointvideo.registry import TRANSFORMS

try:
    from mmcv.transforms import BaseTransform
except ImportError as error:
    raise ImportError(
        'the transforms of mmpointvideo need mmcv.transforms: pip install mmcv-lite (or mmcv)'
    ) from error


class PointVideoTransform(BaseTransform):
    """A transform that draws its random numbers from :meth:`rng` and prints its options.

    Attributes:
        is_augmentation: It changes clips at random to train on more of them; inference leaves
            it out.
    """

    is_augmentation = False

    def rng(self, results: dict) -> np.random.Generator:
        """Random numbers for one clip.

        In training they follow numpy's global state, which the sampler's index seeds for every
        sample (``sample_randomness``). With ``test_mode`` they depend on the transform, the video
        (its ``draw_key``, or else its ``video_id``), the clip's start and the segment only, so
        every run draws the same, in any order and on any number of workers.
        """
        if not results.get('test_mode', False):
            return np.random.default_rng(np.random.randint(2**63 - 1, dtype=np.int64))
        video = results.get('draw_key', results.get('video_id', ''))
        names = (type(self).__name__, str(video))
        start = results.get('clip_start')
        key = [zlib.crc32(name.encode()) for name in names]
        key.append(0 if start is None else int(start))
        if 'segment' in results:
            key.append(results['segment'])
        return np.random.default_rng(key)

    def __repr__(self) -> str:
        options = ', '.join(f'{k}={v!r}' for k, v in vars(self).items() if not k.startswith('_'))
        return f'{type(self).__name__}({options})'


def build_transforms(steps: Sequence[dict | Callable]) -> list[Callable]:
    """Build from our registry, which needs no default scope; objects stay what they are."""
    return [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in steps]


def describe(results: dict) -> str:
    """The clip, for error messages."""
    return f'video {results.get("video_id")} (clip start {results.get("clip_start")})'
