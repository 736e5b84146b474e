"""Synthia 4D, and every scene data set of its form: labelled frames and their predecessors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmpointvideo.registry import DATASETS

from .base import _CLIP_DTYPE, PointVideoDataset
from .synthia4d_facts import (
    CLASSES,
    IGNORED_IDS,
    LABEL_FREQUENCIES,
    LABEL_IDS,
    PALETTE,
    SPLITS,
    class_weights,
)


@DATASETS.register_module()
class Synthia4DDataset(PointVideoDataset):
    """Driving scenes with a label for every point (Choy et al., "4D Spatio-Temporal ConvNets",
    CVPR 2019; the splits as in MeteorNet, ICCV 2019).

    An item is a labelled frame and its ``num_frames - 1`` predecessors at ``frame_interval``,
    chronological, the labelled frame last. A predecessor that is missing repeats the frame found
    before it (the next later one), as published. With ``halves`` every labelled frame gives two
    items, the halves of its scene that ``CropHalfScene`` cuts.

    Beside the keys of :class:`PointVideoDataset`, of which ``clip_start`` is the labelled frame's
    position in the video, an item has ``frame_inds`` ``(T,)`` (so the pipeline needs no
    ``SampleFrames``), ``frame_id`` (the labelled frame's published number), ``half`` (0, 1 or
    None) and ``center`` ``(3,)``, where the labelled frame's cameras are.

    Args:
        split: ``'train'``, ``'val'``, ``'test'`` or ``'all'``.
        sequences: Of these only the videos whose name begins with one of these texts, e.g.
            ``['SYNTHIA-SEQS-04']``.
        num_frames: T.
        halves: Each labelled frame gives its two halves, or one item with the whole scene. With
            halves a frame is left out if the annotations say that one of them is empty
            (``one_sided_frames``).
        label_fraction: Use this share of the labelled frames, drawn at random.
        label_seed: Seed of that draw.
        clips: ``'all'`` labelled frames, or n evenly spaced ones a video.
        clip_stride: Of the labelled frames every so many.
        short_videos: A labelled frame without all predecessors is padded as above (``'pad'``) or
            left out (``'drop'``, for pre-training: a repeated frame is no target).
        **options: Those of :class:`PointVideoDataset`.

    Raises:
        ValueError: If an option is wrong, an annotation lacks a field or no frame is left.
    """

    METAINFO: dict = dict(
        dataset_type='Synthia4DDataset',
        task='semantic_segmentation',
        classes=CLASSES,
        palette=PALETTE,
        label_ids=LABEL_IDS,
        ignored_ids=IGNORED_IDS,
        label_frequencies=LABEL_FREQUENCIES,
        class_weights=tuple(class_weights()),
    )

    def __init__(
        self,
        *,
        split: str,
        sequences: Sequence[str] | None = None,
        num_frames: int = 3,
        halves: bool = True,
        label_fraction: float = 1.0,
        label_seed: int = 0,
        **options: Any,
    ) -> None:
        if split not in (*SPLITS, 'all'):
            raise ValueError(f"split: expected one of {SPLITS} or 'all', got {split!r}")
        if isinstance(sequences, str) or (sequences is not None and not len(sequences)):
            raise ValueError(f'sequences: expected a list of names or None, got {sequences!r}')
        if not 0 < label_fraction <= 1:
            raise ValueError(f'label_fraction: expected above 0 up to 1, got {label_fraction}')
        if options.get('clips') == 'random':
            raise ValueError("clips: expected 'all' or a number: labelled frames are fixed")
        self.sequences = None if sequences is None else tuple(sequences)
        self.halves = halves
        self.label_fraction = label_fraction
        self.label_seed = label_seed
        super().__init__(split=split, num_frames=num_frames, **options)

    def select_videos(self, videos: list[dict]) -> list[dict]:
        """The videos of the split, of the wanted sequences.

        Raises:
            ValueError: If a video lacks a field, or a wanted sequence is not in the split.
        """
        for video in videos:
            self._check_video(video)
        if self.split != 'all':
            videos = super().select_videos(videos)
        if self.sequences is None:
            return videos
        for name in self.sequences:
            if not any(video['video_id'].startswith(name) for video in videos):
                raise ValueError(
                    f'sequences: no video of split {self.split!r} in {self.ann_file} begins with '
                    f'{name!r}; there are {[video["video_id"] for video in videos]}'
                )
        return [video for video in videos if video['video_id'].startswith(self.sequences)]

    def _check_video(self, video: dict) -> None:
        frames, centers = video.get('frame_ids'), video.get('centers', [])
        if not isinstance(frames, list) or len(frames) != video['num_frames']:
            problem = f'{video["num_frames"]} frame_ids'
        elif np.shape(centers) != (len(frames), 3):
            problem = f'{len(frames)} centers (x, y, z)'
        elif not set(video.get('labelled_frames') or [None]) <= set(frames):
            problem = 'labelled_frames, some of frame_ids'
        else:
            return
        raise ValueError(
            f'{self.ann_file}: video {video["video_id"]}: expected {problem}; convert it with '
            'tools/dataset_converters/synthia4d.py'
        )

    def _make_clip_table(self) -> np.ndarray:
        """One row per item; an item's half is its ``clip_index`` modulo 2."""
        chosen = [self._labelled_positions(video) for video in self.data_list]
        count = sum(len(positions) for positions in chosen)
        if not count:
            raise ValueError(f'{self.ann_file}: no labelled frame left in split {self.split!r}')
        keep = np.ones(count, bool)
        if self.label_fraction < 1:
            drawn = np.random.default_rng(self.label_seed).permutation(count)
            keep[drawn[max(1, round(self.label_fraction * count)) :]] = False
        parts, begin = [], 0
        for index, positions in enumerate(chosen):
            kept = positions[keep[begin : begin + len(positions)]]
            begin += len(positions)
            part = np.empty(len(kept) * (1 + self.halves), _CLIP_DTYPE)
            part['video'] = index
            part['start'] = np.repeat(kept, 1 + self.halves)
            part['clip_index'], part['num_clips'] = np.arange(len(part)), len(part)
            parts.append(part)
        return np.concatenate(parts)

    def _unusable(self, video: dict) -> list[int]:
        """Labelled frames of which a half would be empty."""
        return video.get('one_sided_frames', []) if self.halves else []

    def _labelled_positions(self, video: dict) -> np.ndarray:
        """Positions in the store of the labelled frames that are items."""
        position = {number: i for i, number in enumerate(video['frame_ids'])}
        labelled = sorted(set(video['labelled_frames']) - set(self._unusable(video)))
        if self.short_videos == 'drop':
            back = self.frame_interval * np.arange(self.num_frames)
            labelled = [n for n in labelled if all(n - b in position for b in back.tolist())]
        chosen = np.array([position[n] for n in labelled], np.int64)[:: self.clip_stride]
        if not isinstance(self.clips, str) and self.clips < len(chosen):
            chosen = chosen[np.linspace(0, len(chosen) - 1, self.clips).round().astype(int)]
        return chosen

    @property
    def num_labelled_frames(self) -> int:
        """How many labelled frames the items are of."""
        return len(self) // (1 + self.halves)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """The item as the pipeline gets it (see the class)."""
        item = super().get_data_info(idx)
        video = self.get_video_info(int(self._clip_table[item['sample_idx']]['video']))
        labelled = item['clip_start']
        frame_id = video['frame_ids'][labelled]
        position = {number: i for i, number in enumerate(video['frame_ids'])}
        frames, found = [], labelled
        for step in range(self.num_frames):
            found = position.get(frame_id - step * self.frame_interval, found)
            frames.append(found)
        item.update(
            frame_inds=np.array(frames[::-1], np.int64),
            frame_id=frame_id,
            half=item['clip_index'] % 2 if self.halves else None,
            center=np.array(video['centers'][labelled], np.float64),
        )
        return item
