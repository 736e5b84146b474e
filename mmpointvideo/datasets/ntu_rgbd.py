"""NTU RGB+D: 60 or 120 actions, three official splits."""

from pathlib import Path
from typing import Any

from mmpointvideo.registry import DATASETS

from .base import PointVideoDataset
from .ntu_rgbd_facts import CLASSES, PROTOCOLS, describe_video, is_training_video, read_video_list
from .store_layout import SUFFIX

_FIELDS = dict(cross_subject='subject', cross_view='camera', cross_setup='setup')


@DATASETS.register_module()
class NTURGBDDataset(PointVideoDataset):
    """NTU RGB+D 60 and 120 (Shahroudy et al., CVPR 2016; Liu et al., TPAMI 2019).

    NTU 60 has 40,320 training and 16,560 test videos cross-subject, 37,920 and 18,960
    cross-view. Stored coordinates are millimetres; the configs scale them by 100 / 65535, the
    unit of the published code.

    Args:
        split: ``'train'``, ``'test'`` or ``'all'`` of the protocol.
        protocol: ``'cross_subject'``, ``'cross_view'`` or ``'cross_setup'``.
        num_classes: 60 or 120. With 60, videos of actions above A060 are left out.
        ann_file: The converter's annotation file, or a list with ``NAME FRAMES`` a line (``.txt``
            or ``.txt.gz``): the videos are then ``data_root/videos/NAME.pvs``.
        **options: Those of :class:`PointVideoDataset`.

    Raises:
        ValueError: If an option is wrong or an annotation lacks a field.
    """

    METAINFO: dict = dict(dataset_type='NTURGBDDataset', task='action_recognition')

    def __init__(
        self,
        *,
        split: str,
        protocol: str = 'cross_subject',
        num_classes: int = 60,
        **options: Any,
    ) -> None:
        if split not in ('train', 'test', 'all'):
            raise ValueError(f"split: expected 'train', 'test' or 'all', got {split!r}")
        if protocol not in PROTOCOLS:
            raise ValueError(f'protocol: expected one of {PROTOCOLS}, got {protocol!r}')
        if num_classes not in (60, 120):
            raise ValueError(f'num_classes: expected 60 or 120, got {num_classes!r}')
        self.protocol = protocol
        self.num_classes = num_classes
        super().__init__(split=split, **options)

    def read_annotations(self, path: Path) -> dict[str, Any]:
        """Content of the annotation file, or of a list of names and frame counts."""
        if path.suffix not in ('.txt', '.gz'):
            annotations = super().read_annotations(path)
            # the file may name all 120 classes
            metainfo = annotations['metainfo']
            metainfo['classes'] = list(metainfo['classes'])[: self.num_classes]
            return annotations
        root = Path(self.data_root or path.parent).absolute()
        videos = [
            describe_video(name, frames, str(root / 'videos' / f'{name}{SUFFIX}'))
            for name, frames in sorted(read_video_list(path).items())
        ]
        metainfo = dict(self.METAINFO, classes=list(CLASSES[: self.num_classes]))
        return dict(metainfo=metainfo, data_list=videos)

    def select_videos(self, videos: list[dict]) -> list[dict]:
        """The videos of the split.

        Raises:
            ValueError: If a video lacks the field that the protocol splits by.
        """
        field = _FIELDS[self.protocol]
        for video in videos:
            if not isinstance(video.get(field), int) or not isinstance(video.get('gt_label'), int):
                raise ValueError(
                    f'{self.ann_file}: video {video["video_id"]} needs gt_label and an integer '
                    f'{field} for the protocol {self.protocol!r}; convert it with '
                    'tools/dataset_converters/ntu_rgbd.py'
                )
        videos = [video for video in videos if video['gt_label'] < self.num_classes]
        if self.split == 'all':
            return videos
        train = self.split == 'train'
        return [v for v in videos if is_training_video(v, self.protocol, self.num_classes) == train]
