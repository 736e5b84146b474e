"""Choosing videos by the person in them."""

from collections.abc import Iterable, Sequence
from typing import Any


def check_subjects(name: str, subjects: Any, kinds: type | tuple[type, ...]) -> tuple:
    """An option that lists subjects, as a tuple.

    Args:
        name: The option's, for the message.
        subjects: Its value.
        kinds: What a subject may be: ``int``, or ``(int, str)``.

    Raises:
        TypeError: If it is no list of these.
    """
    is_list = isinstance(subjects, Iterable) and not isinstance(subjects, str)
    found = tuple(subjects) if is_list else None
    if found is None or not all(isinstance(subject, kinds) for subject in found):
        what = 'integers such as [1, 2]' if kinds is int else "numbers or names, [1, 2] or ['ann']"
        raise TypeError(f'{name}: expected a list of {what}, got {subjects!r}')
    return found


def videos_of_subjects(
    videos: Sequence[dict], subjects: Sequence[int | str] | None, where: str
) -> list[dict]:
    """The videos of some subjects.

    Args:
        videos: Those to choose from, with the field ``subject``.
        subjects: Of whom; None for all of them, whoever it is.
        where: What the videos are, for the message.

    Raises:
        ValueError: If a subject has no video, so that a person of another split is not taken
            for one of this.
    """
    if subjects is None:
        return list(videos)
    present = {video['subject'] for video in videos}
    if not present.issuperset(subjects):
        raise ValueError(
            f'subjects: expected some of {sorted(present, key=lambda s: (str(type(s)), s))}, those '
            f'of {where}, got {tuple(subjects)}'
        )
    return [video for video in videos if video['subject'] in subjects]
