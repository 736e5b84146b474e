"""Compare an encoder with a literal transcription of the published loop.

Same weights, same input, one run: time forward and backward, peak memory, bytes kept for the
backward pass, and how far outputs and gradients are apart::

    python tools/analysis_tools/benchmark_encoder.py --size small
    python tools/analysis_tools/benchmark_encoder.py --size small --segments 6
    python tools/analysis_tools/benchmark_encoder.py --size paper --device cuda
    python tools/analysis_tools/benchmark_encoder.py --encoder p4transformer --extent 20

``benchmark_bars.py`` runs the cases of docs/performance.md in one go. Every row runs in a process
of its own. Ratios are to the first row. Times are minima over ``--repeats``; on a shared machine
only the ratios mean something. Needs the project's ``tests`` folder (the transcriptions live
there).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mmpointvideo.engine.options import (  # noqa: E402
    device_name,
    one_line_errors,
    positive_float,
    positive_int,
)
from mmpointvideo.models.encoders import P4TransformerEncoder, PSTNetEncoder  # noqa: E402
from mmpointvideo.models.layers import set_linear_route  # noqa: E402
from mmpointvideo.ops import (  # noqa: E402
    available_backends,
    ball_query,
    furthest_point_sample,
    set_backend,
)

#: clips, frames, points, width of the network
SIZES = {
    'pstnet': {
        'tiny': (16, 12, 256, 0.125),
        'small': (8, 24, 1024, 1.0),
        'paper': (88, 24, 1024, 1.0),
    },
    'p4transformer': {
        'tiny': (1, 3, 1024, 0.125),
        'small': (1, 3, 4096, 1.0),
        'paper': (8, 3, 16384, 1.0),
    },
}
MIB = 1024**2


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--encoder', choices=sorted(SIZES), default='pstnet')
    parser.add_argument('--size', choices=sorted(SIZES['pstnet']), default='small')
    parser.add_argument('--clips', type=positive_int, help='overrides the batch of --size')
    parser.add_argument('--frames', type=positive_int, help='overrides the frames of --size')
    parser.add_argument('--points', type=positive_int, help='overrides the points of --size')
    parser.add_argument(
        '--segments', type=positive_int, default=1, help='cut every clip into segments'
    )
    parser.add_argument(
        '--extent',
        type=positive_float,
        default=20.0,
        help='p4transformer: size of the scene in metres',
    )
    parser.add_argument('--variant', choices=['msr', 'ntu'], default='msr')
    parser.add_argument('--padding-mode', choices=['zeros', 'replicate'], default='replicate')
    parser.add_argument('--device', type=device_name, default='cpu')
    parser.add_argument(
        '--threads', type=positive_int, help='CPU threads (default: as PyTorch chooses)'
    )
    parser.add_argument('--repeats', type=positive_int, default=2)
    parser.add_argument('--backends', nargs='+', help='default: all that take the device')
    parser.add_argument(
        '--recompute',
        action='store_true',
        help='pstnet, ours: normalise again in the backward pass',
    )
    parser.add_argument(
        '--every-feature',
        action='store_true',
        help='pstnet, ours: also those that no later layer reads',
    )
    parser.add_argument('--bf16', action='store_true', help='ours: matrix products in bfloat16')
    parser.add_argument(
        '--tf32', action='store_true', help='CUDA: TF32 in all float32 matrix products'
    )
    parser.add_argument('--linear-route', choices=['auto', 'native', 'onednn'], default='auto')
    parser.add_argument(
        '--cpu-time',
        action='store_true',
        help='CPU instead of wall time: with --threads 1 steadier on a busy machine',
    )
    parser.add_argument('--skip-literal', action='store_true', help='leave the loop out')
    args = parser.parse_args()
    if args.encoder != 'pstnet' and (args.recompute or args.every_feature):
        parser.error('--recompute and --every-feature are options of --encoder pstnet')
    return args


def moving_bodies(clips: int, frames: int, points: int, device: str) -> Tensor:
    """Person-like clouds, ``(B, T, N, 3)``: six capsules that swing, about 6 units tall."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(clips, 1, 6, 1, 3, generator=generator) * torch.tensor([0.8, 1.8, 0.4])
    swing = torch.randn(clips, 1, 6, 1, 3, generator=generator) * 0.5
    phase = torch.linspace(0, 6.28, frames).view(1, -1, 1, 1, 1)
    axis = torch.randn(clips, 1, 6, 1, 3, generator=generator)
    part = torch.randint(0, 6, (points,), generator=generator)
    along = torch.rand(clips, frames, points, 1, generator=generator)
    around = torch.nn.functional.normalize(
        torch.randn(clips, frames, points, 3, generator=generator), dim=-1
    )
    base = (start + swing * phase.sin())[:, :, part, 0]
    return (base + along * axis[:, :, part, 0] + 0.3 * around).contiguous().to(device)


def street(clips: int, frames: int, points: int, extent: float, device: str) -> Tensor:
    """A ground plane and vertical walls, ``(B, T, N, 3)``, seen from a moving camera, metres."""
    generator = torch.Generator().manual_seed(0)
    xyz = torch.rand(clips, 1, points, 3, generator=generator) - 0.5
    xyz = xyz * torch.tensor([extent, 8.0, extent])
    kind = torch.randint(0, 3, (points,), generator=generator)
    xyz[..., kind == 0, 1] = 0
    xyz[..., kind == 1, 0] = (xyz[..., kind == 1, 0] / 5).round() * 5
    steps = torch.arange(frames).view(1, -1, 1, 1) * torch.tensor([0.0, 0.0, 0.5])
    noise = torch.randn(clips, frames, points, 3, generator=generator) * 0.02
    return (xyz - steps + noise).contiguous().to(device)


def build(options: dict) -> tuple[nn.Module, Tensor, Tensor | None]:
    """The encoder, and positions and features to run it on."""
    size = options['clips'], options['frames'], options['points']
    device, length = options['device'], options['frames'] // options['segments']
    torch.manual_seed(0)
    if options['encoder'] == 'pstnet':
        model: nn.Module = PSTNetEncoder(
            width=options['width'],
            variant=options['variant'],
            padding_mode=options['padding_mode'],
            recompute=options['recompute'] and not options['literal'],
            skip_unread=not options['every_feature'],
        )
        xyz, features = moving_bodies(*size, device), None
    else:
        model = P4TransformerEncoder('scene', in_channels=3, radius=0.9, width=options['width'])
        xyz = street(*size, options['extent'], device)
        features = torch.rand(*size[:2], 3, size[2]).to(device).reshape(-1, length, 3, size[2])
    return model.to(device), xyz.reshape(-1, length, size[2], 3), features


def distinct_neighbors(encoder: nn.Module, xyz: Tensor) -> float:
    """Mean number of different neighbours in the first layer."""
    conv = encoder.convs[0]
    cloud = xyz.flatten(0, 1)
    idx = furthest_point_sample(cloud, cloud.shape[1] // conv.spatial_stride)
    centers = cloud.gather(1, idx[..., None].expand(-1, -1, 3))
    idx = ball_query(cloud, centers, conv.radius, conv.num_neighbors)
    return float((idx[..., 1:] != idx[..., :1]).sum(2).float().mean()) + 1


def resident(field: str = 'VmRSS') -> int:
    """Resident memory of this process, now (``VmRSS``) or at its peak (``VmHWM``), bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f'/proc/self/status has no {field}: this tool needs Linux')


def forget_peak() -> None:
    """Let ``VmHWM`` start again from the memory that is resident now."""
    with contextlib.suppress(OSError):  # without the right to, the peak of compiling stays in
        Path('/proc/self/clear_refs').write_text('5')


def encode(model: nn.Module, xyz: Tensor, features: Tensor | None, literal: bool) -> Tensor:
    """Features of the encoder, or of the published loop with its weights."""
    if not literal:
        return model(xyz, features)[1]
    if isinstance(model, PSTNetEncoder):
        from tests.reference.pst_conv import literal_pstnet

        return literal_pstnet(model, xyz, features)[1]
    from tests.reference.p4transformer import literal_p4transformer

    return literal_p4transformer(model, xyz, features)[1]


def measure(options: dict) -> dict:
    """Run forward and backward in this process, which did nothing else before.

    Returns:
        Best times, peak memory, kept bytes, output and gradients.
    """
    from tests.reference.memory import kept_for_backward

    cuda = options['device'].startswith('cuda')
    torch.set_num_threads(options['threads'])
    set_backend(options['backend'])
    set_linear_route(options['linear_route'])
    if options['tf32']:
        torch.set_float32_matmul_precision('high')
        torch.backends.cudnn.allow_tf32 = True
    clock = time.process_time if options['cpu_time'] else time.perf_counter
    model, xyz, features = build(options)
    clip, literal = (xyz, features), options['literal']
    few = xyz[:1, :, :128], None if features is None else features[:1, :, :, :128]
    half = torch.autocast(
        options['device'].split(':')[0], torch.bfloat16, options['bf16'] and not literal
    )

    def forward(given: tuple[Tensor, Tensor | None]) -> Tensor:
        with half:
            return encode(model, *given, literal)

    forward(few).float().mean().backward()  # compile, load

    def synchronize() -> None:
        if cuda:
            torch.cuda.synchronize()

    synchronize()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    forget_peak()
    before = torch.cuda.memory_allocated() if cuda else resident()
    result: dict = {'forward': float('inf'), 'backward': float('inf')}
    for _ in range(options['repeats']):
        model.zero_grad(set_to_none=True)
        start = clock()
        out = forward(clip)
        synchronize()
        middle = clock()
        out.float().square().mean().backward()
        synchronize()
        result['forward'] = min(result['forward'], middle - start)
        result['backward'] = min(result['backward'], clock() - middle)
    result['peak'] = (torch.cuda.max_memory_allocated() if cuda else resident('VmHWM')) - before
    result['output'] = out.detach().float().cpu().numpy()
    result['gradients'] = {name: p.grad.cpu().numpy() for name, p in model.named_parameters()}
    del out
    _, result['kept'] = kept_for_backward(lambda: forward(clip), model.parameters())
    return result


def train_step(options: dict) -> dict:
    """A whole pre-training step with a full bank of ``options['bank']`` entries."""
    from mmengine.config import Config
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import init_default_scope

    from mmpointvideo.models.memories import Provenance
    from mmpointvideo.registry import MODELS
    from mmpointvideo.structures import PointVideoDataSample

    init_default_scope('mmpointvideo')
    torch.set_num_threads(options['threads'])
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'models' / options['model']).model
    size, clips = options['bank'], options['clips']
    cuda = options['device'].startswith('cuda')
    before = 0 if cuda else resident()
    cfg.memory_bank.update(size=size, enqueue_per_iter=size)
    cfg.contrast_head.neighbor_start_epoch = 0
    cfg.num_segments = 6
    cfg.data_preprocessor = dict(type='PointVideoDataPreprocessor')
    model = MODELS.build(cfg).to(options['device']).train()
    bank = model.memory_bank
    bank.enqueue(
        torch.randn(size, bank.channels),
        Provenance(torch.arange(size) % 50, torch.zeros(size).long(), torch.zeros(size, 3)),
    )
    bank.enqueue_per_iter = min(size, 256)
    optimizer = dict(type='AdamW', lr=1e-4)
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=optimizer))
    samples = []
    for clip in range(clips):
        meta = dict(video_id=str(clip), video_index=clip, frame_inds=range(options['frames']))
        samples.append(PointVideoDataSample(metainfo=meta))
    xyz = moving_bodies(clips, options['frames'], options['points'], 'cpu')
    batch = dict(inputs=list(xyz), data_samples=samples)
    clock = time.process_time if options['cpu_time'] else time.perf_counter
    best = float('inf')
    for step in range(1 + options['repeats']):
        if step == 1:
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            # the first step made the optimiser's state; the peak is that of the next ones
            forget_peak()
        start = clock()
        model.train_step(batch, wrapper)
        model.update_memory()
        if cuda:
            torch.cuda.synchronize()
        if step:
            best = min(best, clock() - start)
    peak = torch.cuda.max_memory_allocated() if cuda else resident('VmHWM')
    return dict(seconds=best, peak=peak - before)


def in_own_process(options: dict) -> dict:
    """Run :func:`measure` in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(measure, options).result()


def deviation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(ours - theirs).max() / max(float(np.abs(theirs).max()), 1e-30))


def worst_gradient(ours: dict, theirs: dict) -> float:
    """Largest :func:`deviation` of a parameter's gradient."""
    gradients = theirs['gradients']
    return max(deviation(found, gradients[name]) for name, found in ours['gradients'].items())


def default_options(encoder: str = 'pstnet', size: str = 'small') -> dict:
    """What :func:`measure` reads."""
    clips, frames, points, width = SIZES[encoder][size]
    return dict(
        encoder=encoder,
        clips=clips,
        frames=frames,
        points=points,
        width=width,
        segments=1,
        extent=20.0,
        variant='msr',
        padding_mode='replicate',
        device='cpu',
        threads=torch.get_num_threads(),
        repeats=2,
        linear_route='auto',
        cpu_time=False,
        recompute=False,
        every_feature=False,
        bf16=False,
        tf32=False,
        literal=False,
        backend='torch',
    )


def main() -> None:
    """Measure every backend and print a table."""
    args = parse_args()
    options = default_options(args.encoder, args.size)
    chosen = {name: value for name, value in vars(args).items() if name in options}
    options |= {name: value for name, value in chosen.items() if value is not None}
    if options['frames'] % args.segments:
        raise SystemExit(f'{options["frames"]} frames do not divide into {args.segments} segments')
    on_cuda = args.device.startswith('cuda')
    backends = args.backends or [
        name for name in available_backends() if name == 'torch' or (name != 'numba') == on_cuda
    ]
    rows = []
    for literal in (False,) if args.skip_literal else (True, False):
        for name in backends:
            found = in_own_process(options | dict(literal=literal, backend=name))
            label = f'published loop, {name} operators' if literal else f'ours, {name}'
            rows.append((label, found))

    model, xyz, _ = build(options | dict(device='cpu'))
    if isinstance(model, PSTNetEncoder):
        shares = ', '.join(f'{100 * share:.0f}' for share in model.points_read(xyz))
        kind = f'{args.variant}, {args.padding_mode}, layers read {shares} % of the points'
    else:
        kind = (
            f'{args.extent:g} m, {distinct_neighbors(model, xyz):.1f} of '
            f'{model.convs[0].num_neighbors} neighbours distinct in the first layer'
        )
    settings = [name for name in ('recompute', 'every_feature', 'bf16', 'tf32') if options[name]]
    print(
        f'{args.encoder}: {options["clips"]} clips x {options["frames"]} frames x '
        f'{options["points"]} points, '
        f'{args.segments} segment(s) a clip, width {options["width"]:g}, {kind}, '
        f'{", ".join([args.device, *settings])}, {options["threads"]} threads, '
        f'{"CPU time" if args.cpu_time else "wall time"}, torch {torch.__version__}'
    )
    print(
        '| run | forward s | backward s | sum | ratio | peak MiB | ratio | kept MiB | ratio '
        '| output differs | worst gradient |'
    )
    print('|---|---|---|---|---|---|---|---|---|---|---|')
    reference = rows[0][1]
    total = reference['forward'] + reference['backward']
    for label, found in rows:
        seconds = found['forward'] + found['backward']
        print(
            f'| {label} | {found["forward"]:.3f} | {found["backward"]:.3f} | {seconds:.3f} '
            f'| {total / seconds:.2f}x | {found["peak"] / MIB:.0f} '
            f'| {reference["peak"] / max(found["peak"], 1):.1f}x | {found["kept"] / MIB:.0f} '
            f'| {reference["kept"] / found["kept"]:.1f}x '
            f'| {deviation(found["output"], reference["output"]):.0e} '
            f'| {worst_gradient(found, reference):.0e} |'
        )


if __name__ == '__main__':
    with one_line_errors():
        main()
