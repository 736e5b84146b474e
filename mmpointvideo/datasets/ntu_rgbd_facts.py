"""NTU RGB+D: names, classes and official splits (Shahroudy et al., CVPR 2016; Liu et al., "NTU
RGB+D 120", TPAMI 2019)."""

import gzip
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .annotations import MAX_FRAMES

#: The 120 classes A001-A120; the first 60 are NTU RGB+D 60.
CLASSES = (
    'drink water', 'eat meal', 'brush teeth', 'brush hair', 'drop', 'pick up', 'throw',
    'sit down', 'stand up', 'clapping', 'reading', 'writing', 'tear up paper', 'put on jacket',
    'take off jacket', 'put on a shoe', 'take off a shoe', 'put on glasses', 'take off glasses',
    'put on a hat', 'take off a hat', 'cheer up', 'hand waving', 'kicking something',
    'reach into pocket', 'hopping', 'jump up', 'phone call', 'play with phone',
    'type on a keyboard', 'point to something', 'taking a selfie', 'check time', 'rub two hands',
    'nod head', 'shake head', 'wipe face', 'salute', 'put palms together',
    'cross hands in front', 'sneeze', 'staggering', 'falling down', 'headache', 'chest pain',
    'back pain', 'neck pain', 'nausea', 'fan self', 'punch', 'kicking', 'pushing', 'pat on back',
    'point finger', 'hugging', 'giving object', 'touch pocket', 'shaking hands',
    'walking towards', 'walking apart',
    'put on headphone', 'take off headphone', 'shoot at basket', 'bounce ball',
    'tennis bat swing', 'juggle table tennis ball', 'hush', 'flick hair', 'thumb up',
    'thumb down', 'make OK sign', 'make victory sign', 'staple book', 'counting money',
    'cutting nails', 'cutting paper', 'snap fingers', 'open bottle', 'sniff', 'squat down',
    'toss a coin', 'fold paper', 'ball up paper', 'play magic cube', 'apply cream on face',
    'apply cream on hand', 'put on bag', 'take off bag', 'put object into bag',
    'take object out of bag', 'open a box', 'move heavy objects', 'shake fist', 'throw up cap',
    'capitulate', 'cross arms', 'arm circles', 'arm swings', 'run on the spot', 'butt kicks',
    'cross toe touch', 'side kick', 'yawn', 'stretch oneself', 'blow nose', 'hit with object',
    'wield knife', 'knock over', 'grab stuff', 'shoot with gun', 'step on foot', 'high-five',
    'cheers and drink', 'carry object', 'take a photo', 'follow', 'whisper', 'exchange things',
    'support somebody', 'rock-paper-scissors',
)  # fmt: skip

#: Subjects that train in the cross-subject protocol: 20 of NTU 60, 53 of NTU 120.
TRAIN_SUBJECTS_60 = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
TRAIN_SUBJECTS_120 = TRAIN_SUBJECTS_60 + (
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86,
    89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
)  # fmt: skip
#: Cameras that train in the cross-view protocol.
TRAIN_CAMERAS = (2, 3)
PROTOCOLS = ('cross_subject', 'cross_view', 'cross_setup')
FIELDS = ('setup', 'camera', 'subject', 'replication', 'action')
_NAME = re.compile(r'S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})')


def parse_name(name: str) -> dict[str, int]:
    """The numbers in a video's name.

    Raises:
        ValueError: If it is no such name.

    Examples:
        >>> parse_name('S001C002P003R002A013')
        {'setup': 1, 'camera': 2, 'subject': 3, 'replication': 2, 'action': 13}
    """
    match = _NAME.fullmatch(name)
    numbers = dict(zip(FIELDS, map(int, match.groups() if match else ()), strict=False))
    if not match or min(numbers.values()) < 1 or numbers['action'] > len(CLASSES):
        raise ValueError(f'expected a name like S001C002P003R002A013 (A001-A120), got {name!r}')
    return numbers


def is_training_video(video: Mapping[str, Any], protocol: str, num_classes: int) -> bool:
    """Whether a video trains.

    Args:
        video: With the fields ``setup``, ``camera`` and ``subject``.
        protocol: ``'cross_subject'``, ``'cross_view'`` (cameras 2 and 3) or ``'cross_setup'``
            (even setups).
        num_classes: 60 or 120: NTU 120 has more training subjects.
    """
    if protocol == 'cross_subject':
        subjects = TRAIN_SUBJECTS_60 if num_classes == 60 else TRAIN_SUBJECTS_120
        return video['subject'] in subjects
    if protocol == 'cross_view':
        return video['camera'] in TRAIN_CAMERAS
    if protocol == 'cross_setup':
        return video['setup'] % 2 == 0
    raise ValueError(f'protocol: expected one of {PROTOCOLS}, got {protocol!r}')


def read_video_list(path: str | os.PathLike) -> dict[str, int]:
    """Frames of every video of a list: ``NAME FRAMES`` a line, ``.gz`` or plain.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not of the form; names file and line.
    """
    data = Path(path).read_bytes()
    try:
        text = (gzip.decompress(data) if data[:2] == b'\x1f\x8b' else data).decode('ascii')
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: expected a list in ASCII, plain or .gz: {error}') from None
    videos: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            parse_name(words[0])
            if len(words) != 2 or words[0] in videos or not 1 <= int(words[1]) <= MAX_FRAMES:
                raise ValueError(
                    f'expected a new name and a number of frames in 1..{MAX_FRAMES}, got {line!r}'
                )
        except ValueError as error:
            raise ValueError(f'{path}, line {number}: {error}') from None
        videos[words[0]] = int(words[1])
    return videos


def describe_video(name: str, num_frames: int, video_path: str) -> dict[str, Any]:
    """A video's entry in the annotation file."""
    numbers = parse_name(name)
    label = numbers.pop('action') - 1
    return dict(
        video_id=name, video_path=video_path, num_frames=num_frames, gt_label=label, **numbers
    )
