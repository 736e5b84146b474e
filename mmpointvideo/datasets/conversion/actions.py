"""Generated actions: raw MSR-Action3D videos that were never recorded."""

from __future__ import annotations

import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from mmpointvideo.datasets.formats.msr_bin import msr_bin_size, write_msr_bin
from mmpointvideo.simulation import (
    ACTION_CLASSES,
    MSR_BODY,
    MSR_CAMERA,
    SensorNoise,
    generate_action,
    sample_subject,
    simulate_depth_video,
)

from .msr import convert_msr_bin
from .report import VideoReport
from .runner import existing_report

#: Raised when the same settings give other videos than before.
_VERSION = 1


@dataclass(frozen=True)
class BuiltinSettings:
    """What the content of the built-in videos depends on.

    Args:
        seed: Seed of people, motion and noise.
        min_frames: Fewest frames of a video.
        max_frames: Most frames of a video.
        noise: ``'kinect'`` or ``'none'``.
    """

    seed: int = 0
    min_frames: int = 28
    max_frames: int = 44
    noise: str = 'kinect'

    def __post_init__(self) -> None:
        if self.noise not in ('kinect', 'none'):
            raise ValueError(f"noise: expected 'kinect' or 'none', got {self.noise!r}")
        if not 2 <= self.min_frames <= self.max_frames:
            raise ValueError(
                'min_frames, max_frames: expected 2 <= min_frames <= max_frames, got '
                f'{self.min_frames}, {self.max_frames}'
            )
        if self.seed < 0:
            raise ValueError(f'seed: expected 0 or more, got {self.seed}')

    @property
    def time_stamp(self) -> int:
        """Seconds that stand for these settings.

        Raw files get it as their modification time, and converted ones note that of their
        source: so a later run knows the files that it would make alike, and no others.
        """
        return 946_684_800 + zlib.crc32(repr((_VERSION, asdict(self))).encode()) % (1 << 28)


def video_name(label: int, subject: int, take: int) -> str:
    """Name of a video as MSR-Action3D has it; ``label`` counts from 0, the others from 1."""
    return f'a{label + 1:02d}_s{subject:02d}_e{take:02d}'


def make_builtin_video(
    out_dir: str | os.PathLike,
    label: int,
    subject: int,
    take: int,
    settings: BuiltinSettings | None = None,
    convert: bool = False,
    keep_raw: bool = True,
) -> VideoReport:
    """Make one video of the built-in data set; what is there already stays.

    Args:
        out_dir: Root of the data set; raw videos go to ``raw/``, stores to ``videos/``.
        label: Class from 0, see :data:`~mmpointvideo.simulation.ACTION_CLASSES`.
        subject: Number of the person, from 1.
        take: Number of the performance, from 1.
        settings: Everything else that the content depends on.
        convert: Also convert the raw video to a frame store.
        keep_raw: Whether the raw video stays after the conversion.

    Returns:
        The report of the store, or of the raw video where nothing is converted.
    """
    settings = settings or BuiltinSettings()
    name = video_name(label, subject, take)
    raw_path = Path(out_dir) / 'raw' / f'{name}_sdepth.bin'
    store_path = Path(out_dir) / 'videos' / f'{name}.pvs'
    person = sample_subject(subject, settings.seed)
    joints = generate_action(
        ACTION_CLASSES[label],
        person,
        take,
        settings.seed,
        (settings.min_frames, settings.max_frames),
    )
    size = msr_bin_size(len(joints), MSR_CAMERA.width, MSR_CAMERA.height)
    mark = dict(name=raw_path.name, size=size, mtime_ns=settings.time_stamp * 10**9)
    raw_is_there = _is_marked(raw_path, mark)
    if convert and (raw_is_there or not keep_raw):
        done = existing_report(store_path, dict(source='bin', **mark))
        if done:
            return done
    if not raw_is_there:
        for leftover in raw_path.parent.glob(f'.{raw_path.name}.*.tmp'):  # of a killed run
            leftover.unlink()
        frames = simulate_depth_video(
            joints,
            body=MSR_BODY.scaled(person.size * person.girth),
            noise=SensorNoise.kinect() if settings.noise == 'kinect' else None,
            seed=zlib.crc32(f'{settings.seed} {name}'.encode()),
        )
        write_msr_bin(raw_path, (depth for depth, _ in frames), len(joints))
        os.utime(raw_path, (settings.time_stamp, settings.time_stamp))
    if not convert:
        return VideoReport(
            video_id=name,
            status='existing' if raw_is_there else 'converted',
            num_frames=len(joints),
            num_bytes=size,
        )
    report = convert_msr_bin(raw_path, store_path)
    if not keep_raw:
        raw_path.unlink()
    return report


def _is_marked(path: Path, mark: dict) -> bool:
    """Whether a raw video is there that was made with these settings."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    return stat.st_size == mark['size'] and stat.st_mtime_ns == mark['mtime_ns']
