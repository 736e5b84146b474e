"""Reading a clip's frames from the frame store."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmpointvideo.datasets.storage import PointVideoStore
from mmpointvideo.registry import TRANSFORMS

from .base import PointVideoTransform


@TRANSFORMS.register_module()
class LoadPointVideoFrames(PointVideoTransform):
    """Read the points of a clip's frames.

    Required keys: ``video_path``, ``frame_inds``. Added keys: ``frames``, a ``FrameBatch`` with
    the points of all frames, and ``feature_channels``.

    Args:
        channels: Names of channels of the store that become features of the points, in this
            order, as they are stored (``rgb`` stays 0..255).
        labels: Names of channels that stay apart as labels of the points, e.g. ``part``.
    """

    def __init__(self, channels: Sequence[str] = (), labels: Sequence[str] = ()) -> None:
        for name, value in (('channels', channels), ('labels', labels)):
            if isinstance(value, str):
                raise TypeError(f'{name}: expected a sequence of names, got {value!r}')
        if set(channels) & set(labels):
            raise ValueError(
                f'expected a channel as feature or as label, got both of '
                f'{sorted(set(channels) & set(labels))}'
            )
        self.channels = tuple(channels)
        self.labels = tuple(labels)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``frames``.

        Raises:
            FileNotFoundError: If the video is not there.
            ValueError: If a frame number or a channel is not in the store.
            PointVideoStoreError: If the store is damaged.
        """
        path = results['video_path']
        try:
            store = PointVideoStore(path)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'video {results.get("video_id")}: no file {path}; convert the data set again or '
                'check it with tools/misc/verify_dataset.py'
            ) from None
        inds = np.asarray(results['frame_inds'])
        if inds.size and (inds.min() < 0 or inds.max() >= store.num_frames):
            raise ValueError(
                f'video {results.get("video_id")}: frame_inds {inds.min()}..{inds.max()} are not '
                f'all in the {store.num_frames} frames of {path}; does num_frames of the '
                'annotation file belong to this store?'
            )
        results['frames'] = store.read(inds, channels=self.channels + self.labels)
        results['feature_channels'] = self.channels
        return results
