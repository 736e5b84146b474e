"""Generated streets: raw SYNTHIA sequences that were never recorded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmpointvideo.datasets.formats.synthia import (
    VIEWS,
    SynthiaCamera,
    view_path,
    write_intrinsics,
    write_view,
)
from mmpointvideo.utils.atomic import write_json

from .report import VideoReport
from .runner import existing_report
from .synthia import SceneSampling, conversion_mark, convert_synthia_sequence

_RECIPE = 'street.json'
STREET_SPLITS = ('train', 'test')


def street_name(split: str, index: int) -> str:
    """Name of a generated sequence."""
    return f'STREET-{split.upper()}-{index:03d}'


def versioned(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with the simulator's version."""
    from mmpointvideo.simulation.streets import STREETS_VERSION

    return dict(recipe, version=STREETS_VERSION)


def write_street(sequence_dir: str | os.PathLike, recipe: Mapping[str, Any]) -> None:
    """Simulate a street and write it as a raw sequence; the folder appears when it is complete.

    A folder that an earlier run made by the same recipe stays as it is.

    Args:
        sequence_dir: Folder of the sequence.
        recipe: ``seed`` (integers), ``num_frames``, ``width`` and ``height``.

    Raises:
        FileExistsError: If the folder holds something else.
        ImportError: If numba or OpenCV is missing.
    """
    from mmpointvideo.simulation.streets import OmniCamera, StreetSimulator

    recipe = versioned(recipe)
    root = Path(sequence_dir)
    if root.exists():
        if not (root / _RECIPE).is_file() or json.loads((root / _RECIPE).read_text()) != recipe:
            raise FileExistsError(
                f'{root}: holds another sequence than the one asked for; remove it, or choose '
                'another folder'
            )
        return
    street = StreetSimulator(
        recipe['seed'], recipe['num_frames'], OmniCamera(recipe['width'], recipe['height'])
    )
    aside = root.with_name(f'.{root.name}.tmp')
    shutil.rmtree(aside, ignore_errors=True)
    cx, cy = street.camera.center
    write_intrinsics(aside, SynthiaCamera(float(street.camera.focal or 0), cx, cy))
    for frame in range(street.num_frames):
        for view, images in street.render(frame).items():
            write_view(aside, view, frame, vars(images))
    write_json(aside / _RECIPE, recipe)
    os.replace(aside, root)


def make_street(
    sequence_dir: str | os.PathLike,
    store_path: str | os.PathLike | None,
    recipe: Mapping[str, Any],
    sampling: SceneSampling | None = None,
    keep_raw: bool = False,
) -> VideoReport:
    """Simulate a street, and put it through the converter of real sequences.

    Args:
        sequence_dir: Where the raw sequence shall be.
        store_path: Where its store shall be; None to keep it raw.
        recipe: As of :func:`write_street`.
        sampling: What to keep of a frame.
        keep_raw: Keep the raw sequence after the conversion.

    Returns:
        Report of the store, or of the raw sequence without one.
    """
    root = Path(sequence_dir)
    if store_path is None:
        write_street(root, recipe)
        files = [view_path(root, w, v, n) for w in ('rgb', 'depth', 'label', 'pose')
                 for v in VIEWS for n in range(recipe['num_frames'])]  # fmt: skip
        size = sum(path.stat().st_size for path in files)
        return VideoReport(root.name, 'converted', recipe['num_frames'], num_bytes=size)
    sampling = sampling or SceneSampling()
    source = dict(street=versioned(recipe))
    done = existing_report(store_path, conversion_mark(sampling, source))
    if done is None:
        write_street(root, recipe)
        done = convert_synthia_sequence(root, store_path, sampling, source=source)
    if not keep_raw and root.exists():
        shutil.rmtree(root)
    elif keep_raw:
        write_street(root, recipe)
    return done
