"""Parameters and floating point operations of a config's model for one clip.

    python tools/analysis_tools/get_flops.py CONFIG [--frames 24 --points 1024]

Counted are matrix products and attention, two operations a multiply-add, in the reference
implementation of the point operators. Element-wise operations and the searches for neighbours and
anchors are not; of the layers that search, the linear maps are all that is counted. PSTNet is
counted with every feature computed; how many it skips (``skip_unread``) depends on the points.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from mmengine.config import Config
from torch.utils.flop_counter import FlopCounterMode

from mmpointvideo.apis import init_model
from mmpointvideo.engine.options import add_cfg_options, load_config, one_line_errors, positive_int
from mmpointvideo.ops import use_backend


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--frames', type=positive_int, help="frames of the clip (default: the config's)"
    )
    parser.add_argument(
        '--points', type=positive_int, help="points of a frame (default: the config's)"
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def clip_size(cfg: Config) -> tuple[int, int, int | None]:
    """Frames, points a frame and segments of the clips that a config trains on.

    Raises:
        ValueError: If the config does not say.
    """
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    steps = {step['type']: step for step in dataset['pipeline']}
    if 'num_frames' not in dataset or 'SamplePoints' not in steps:
        raise ValueError('expected a data set with num_frames and SamplePoints in its pipeline')
    segments = steps.get('SplitSegments', {}).get('num_segments')
    return dataset['num_frames'], steps['SamplePoints']['num_points'], segments


def count(cfg: Config, frames: int | None = None, points: int | None = None) -> dict[str, Any]:
    """Build the model and run one random clip through it.

    Returns:
        ``frames``, ``points``, ``parameters`` (all), ``trained`` (those with gradients), ``flops``
        and ``parts``: of every child of the model, parameters and FLOPs; ``elsewhere`` is what
        belongs to no child.
    """
    default = clip_size(cfg)
    frames, points, segments = frames or default[0], points or default[1], default[2]
    if 'encoder_checkpoint' in cfg.model:
        cfg.model.encoder_checkpoint = None
    model = init_model(cfg, device='cpu')
    if hasattr(model.encoder, 'skip_unread'):
        model.encoder.skip_unread = False
    shape = (1, frames) if segments is None else (1, segments, frames // segments)
    channels = getattr(model.encoder, 'in_channels', 0)
    inputs = dict(
        xyz=torch.rand(*shape, points, 3) * 2 - 1,
        features=torch.rand(*shape, channels, points) if channels else None,
    )
    counter = FlopCounterMode(display=False)
    with use_backend('torch'), torch.no_grad(), counter:
        model(inputs, mode='tensor')
    counts = counter.get_flop_counts()
    root = type(model).__name__
    parts = {
        name: (sum(p.numel() for p in child.parameters()), inside(counts, f'{root}.{name}'))
        for name, child in model.named_children()
    }
    parameters, flops = sum(p.numel() for p in model.parameters()), counter.get_total_flops()
    own = sum(p.numel() for p in model.parameters(recurse=False))
    parts['elsewhere'] = own, flops - sum(part[1] for part in parts.values())
    return dict(
        frames=frames,
        points=points,
        parameters=parameters,
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        flops=flops,
        parts=parts,
    )


def inside(counts: dict[str, dict[Any, int]], module: str) -> int:
    """FLOPs of a module: its own where it was called, else of the outermost ones inside it.

    A method of a module (``forward_levels``) calls the modules inside, but is no call of it.
    """
    called = [name for name in counts if f'{name}.'.startswith(f'{module}.')]
    outermost = [n for n in called if not any(n.startswith(f'{other}.') for other in called)]
    return sum(sum(counts[name].values()) for name in outermost)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Count and print."""
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options, ('model', 'train_dataloader'))
    found = count(cfg, args.frames, args.points)
    print(f'one clip of {found["frames"]} frames of {found["points"]} points')
    print(f'{"":20}{"parameters":>16}{"GFLOPs":>12}')
    for name, (parameters, flops) in found['parts'].items():
        if parameters or flops:
            print(f'{name:20}{parameters:>16,}{flops / 1e9:>12.3f}')
    print(f'{"all":20}{found["parameters"]:>16,}{found["flops"] / 1e9:>12.3f}')
    if found['trained'] != found['parameters']:
        print(f'{"of these trained":20}{found["trained"]:>16,}')
    return found


if __name__ == '__main__':
    with one_line_errors():
        main()
