"""Make a checkpoint ready to be published: weights and what a user needs, nothing of the run.

    python tools/model_converters/publish_model.py work_dirs/RUN/epoch_35.pth NAME

Optimiser, schedulers, message hub and random states are dropped; the config and the classes stay.
The file is called NAME-xxxxxxxx.pth after the first digits of its SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from pathlib import Path

import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmpointvideo.checkpoints import read_state_dict
from mmpointvideo.engine.options import one_line_errors
from mmpointvideo.utils.atomic import atomic_write
from mmpointvideo.version import __version__

KEPT_META = ('cfg', 'dataset_meta', 'epoch', 'iter', 'experiment_name')


def publish(checkpoint: Path, out: Path) -> Path:
    """Write the published file.

    Args:
        checkpoint: A checkpoint of a run.
        out: Its folder and name; digits and suffix are added.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it holds no weights.
    """
    loaded = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    state = {name: value.contiguous() for name, value in read_state_dict(loaded).items()}
    old = loaded.get('meta', {})
    meta = {key: old[key] for key in KEPT_META if key in old}
    meta['mmpointvideo_version'] = __version__
    buffer = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=state), buffer)
    data = buffer.getvalue()
    path = out.with_name(
        f'{out.name.removesuffix(".pth")}-{hashlib.sha256(data).hexdigest()[:8]}.pth'
    )
    with atomic_write(path) as file:
        file.write(data)
    return path


def main(argv: list[str] | None = None) -> int:
    """Publish; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('out', type=Path, help='folder and name of the result')
    args = parser.parse_args(argv)
    path = publish(args.checkpoint, args.out)
    before, after = args.checkpoint.stat().st_size, path.stat().st_size
    print(f'{path}: {after / 2**20:.1f} MiB (of {before / 2**20:.1f})')
    return 0


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
